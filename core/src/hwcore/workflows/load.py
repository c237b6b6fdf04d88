"""``hwcore.load``: a result in one line, in the process that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from hwcore.artifacts import read_artifact
from hwcore.contract import (
    Array,
    HardwareUnavailable,
    PlannedStep,
    Signature,
    Target,
    UserError,
)
from hwcore.host import (
    Limits,
    LoadedModel,
    PluginHost,
    allowed_by_environment,
    discover,
    local_cpu,
)
from hwcore.pipeline import runner_for
from hwcore.workflows.output import run_step_of
from hwcore.workflows.threads import checked_threads


class Model:
    """A loaded model. Call it with named arrays, or with what a tokenizer gave.

    Safe to call from several threads; close it, or use it as a context manager.
    """

    def __init__(self, loaded: LoadedModel, host: PluginHost, step: PlannedStep) -> None:
        self._loaded = loaded
        self._host = host
        self.step = step
        """The run step: plugin, capability, options."""
        dtypes = {spec.name: np.dtype(spec.dtype) for spec in loaded.signature.inputs}
        loaded.convert = partial(_converted, dtypes)

    @property
    def signature(self) -> Signature:
        """Names, dtypes and shapes of inputs and outputs."""
        return self._loaded.signature

    def __call__(
        self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Named inputs to named outputs, all of them or those asked for, as numpy arrays.

        Inputs may be numpy arrays, nested lists or tensors; integers of another width and
        floats of another precision are converted. Raises `UserError` that names the input
        that is missing, unexpected, or of the wrong kind, rank or size.
        """
        return self._loaded(inputs, outputs)

    def close(self) -> None:
        """Free the model. Calling it again does nothing."""
        self._loaded.close()
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def load(
    path: str | Path,
    *,
    threads: int | None = None,
    door: Literal["in-process", "worker"] = "in-process",
    verify: bool = False,
) -> Model:
    """Open what ``hwcore optimize --out`` wrote, or any artifact that a plugin can run here.

    ``threads`` defaults to the cores this process may use. With ``door="worker"`` the engine
    lives in a process of its own. ``verify`` hashes every file first. Raises `UserError` when
    ``path`` is no artifact, `ArtifactCorrupt` when it was damaged, `HardwareUnavailable` when
    no installed plugin can run it on this machine.
    """
    artifact = read_artifact(Path(path), verify=verify)
    target = Target.of(local_cpu())
    host = PluginHost(
        discover(allow=allowed_by_environment()),
        door=door,
        limits=Limits(threads=checked_threads(threads)),
    )
    try:
        step = run_step_of(artifact.path) or runner_for(artifact, target, host)
        if step is None:
            wanted = artifact.manifest.lineage[-1].plugin if artifact.manifest.lineage else "torch"
            raise HardwareUnavailable(
                f"no installed plugin can run {artifact.format} on this machine",
                hint=f"pip install core-plugin-{wanted}, or see `hwcore doctor`.",
            )
        loaded = host.run(
            step.plugin,
            artifact,
            capability=step.capability,
            options=step.options,
            target=target,
        )
    except BaseException:
        host.close()
        raise
    return Model(loaded, host, step)


def _converted(dtypes: Mapping[str, np.dtype[Any]], inputs: Mapping[str, Any]) -> dict[str, Array]:
    """Arrays of what is like arrays, in the dtype of the input of their name."""
    if not isinstance(inputs, Mapping):
        raise UserError(
            f"inputs are of type {type(inputs).__name__}, expected names with arrays",
            hint=f"Call it with {{{', '.join(f'{name!r}: …' for name in dtypes)}}}.",
        )
    converted: dict[str, Array] = {}
    for name, value in inputs.items():
        array = _array(name, value)
        dtype = dtypes.get(name)
        # Same kind only: token ids must not be made of floats, nor pixels of text.
        if dtype is not None and array.dtype != dtype and array.dtype.kind == dtype.kind:
            array = array.astype(dtype)
        converted[name] = array
    return converted


def _array(name: str, value: Any) -> Array:
    if hasattr(value, "detach"):  # a torch tensor, which may require a gradient
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # which numpy has not
            value = value.float()
    try:
        return np.asarray(value)
    except ValueError:
        raise UserError(
            f"input {name!r} has rows of different lengths",
            hint="Pad them: tokenizer(texts, padding=True).",
        ) from None
    except (TypeError, RuntimeError) as error:
        raise UserError(
            f"input {name!r} cannot be made a numpy array: {error}",
            hint="Give numpy arrays, nested lists or tensors.",
        ) from error
