"""Running a ``torch-aoti`` artifact: a library that is mapped and called."""

from __future__ import annotations

from pathlib import Path

import torch

from core_plugin_torch.compile import FILE, MADE_BY
from core_plugin_torch.run import TorchRunner
from core_plugin_torch.run_options import Float32Options
from hwcore.contract import (
    Artifact,
    ArtifactCorrupt,
    Context,
    HardwareUnavailable,
    PluginError,
    Target,
    UserError,
)


class Library:
    """A compiled program: tensors in, a list of tensors out. Calls at one time take turns."""

    def __init__(self, file: Path) -> None:
        self._runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(file), 1)

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        outputs: list[torch.Tensor] = self._runner.run(list(inputs))
        return outputs


def compiled(
    artifact: Artifact, options: Float32Options, target: Target, ctx: Context
) -> TorchRunner:
    """Load a library. No compiler is started, and nothing is written.

    Raises `HardwareUnavailable` on another kind of CPU, `UserError` with another torch,
    `ArtifactCorrupt` for a file that is not whole.
    """
    ctx.progress(0.0, "loading the model")
    _check(artifact, target)
    try:
        library = Library(artifact.component_file())
    except RuntimeError as error:
        raise PluginError(
            f"the library cannot be loaded: {str(error).strip().splitlines()[0][:160]}",
            hint="Compile the model again on this machine.",
        ) from error
    return TorchRunner(
        library,
        artifact.component().signature,
        dtype=torch.float32,
        threads=options.threads or ctx.threads,
    )


def _check(artifact: Artifact, target: Target) -> None:
    if artifact.traits.bound_to != target.fingerprint:
        raise HardwareUnavailable(
            f"{artifact.path} was compiled for a CPU with other features than this one",
            hint="Compile it again on this machine, or run the torch-export it was made from.",
        )
    made_by = artifact.manifest.facts.get(MADE_BY)
    if made_by != torch.__version__:
        raise UserError(
            f"{artifact.path} was compiled by torch {made_by}, and this is {torch.__version__}",
            hint="Compile it again with this version, or install the one it was made by.",
        )
    # Code that is missing from the end would end the process when it is called.
    file = artifact.component_file()
    entry = artifact.manifest.files[artifact.component().file or FILE]
    if file.stat().st_size != entry.size:
        raise ArtifactCorrupt(
            f"{file} has {file.stat().st_size} bytes, expected {entry.size}",
            hint="Compile the model again.",
        )
