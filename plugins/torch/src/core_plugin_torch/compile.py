"""The format ``torch-aoti``: ``model.so``, a program that AOTInductor compiled for this machine.

The library has the weights in it, and is mapped where it lies: loading starts no compiler, and
unpacks nothing. It runs with the version of torch that made it, on the kind of CPU it was made on.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import JsonValue

from core_plugin_torch import inductor
from core_plugin_torch import program as programs
from core_plugin_torch.run_options import CompileOptions
from hwcore.contract import Artifact, Cancelled, Component, Context, Draft, Target
from hwcore.data import example_inputs

FORMAT = "torch-aoti"
STAGE = "compiled"
FILE = "model.so"
MADE_BY = "torch_version"
"""Name of the fact that holds the version of torch which made the library."""


def aoti(
    source: Artifact, options: CompileOptions, target: Target, out: Path, ctx: Context
) -> Draft:
    """Compile a program on this machine, which ``target`` describes.

    Raises `UserError` where there is no C++ compiler, and what `inductor.build` raises.
    """
    inductor.check_compiler()
    _phase(ctx, 0.0, "loading the program")
    program = programs.read(source)
    signature = source.component().signature
    arrays = example_inputs(signature, seed=ctx.seed)
    example = [torch.from_numpy(arrays[spec.name]) for spec in signature.inputs]
    _phase(ctx, 0.1, "compiling")
    inductor.build(program, example, out / FILE, max_autotune=options.max_autotune)
    ctx.progress(1.0, "compiled")
    size = (out / FILE).stat().st_size
    facts: dict[str, JsonValue] = {MADE_BY: torch.__version__, "weight_bytes": size}
    parameters = source.manifest.facts.get("parameters")
    if isinstance(parameters, int) and parameters:
        facts["bits_per_weight"] = size * 8 / parameters
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"stage": STAGE, "bound_to": target.fingerprint}),
        components={"model": Component(signature=signature, file=FILE)},
        facts=facts,
    )


def _phase(ctx: Context, fraction: float, message: str) -> None:
    if ctx.cancelled():
        raise Cancelled("compiling was stopped")
    ctx.progress(fraction, message)
