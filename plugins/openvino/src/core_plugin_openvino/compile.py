"""The format ``openvino-blob``: what the engine made of a graph on this machine.

Loading it skips the passes over the graph. It can be read by the build of OpenVINO that wrote
it, on the kind of CPU it was written on, and by nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from core_plugin_openvino import engine
from core_plugin_openvino.options import CompileOptions
from hwcore.contract import (
    Artifact,
    Component,
    Context,
    Draft,
    HardwareUnavailable,
    Target,
    UserError,
)

FORMAT = "openvino-blob"
STAGE = "compiled"
FILE = "model.blob"
BUILD = "openvino_build"
"""Name of the fact that holds the build of OpenVINO which wrote the blob."""


def blob(
    source: Artifact, options: CompileOptions, target: Target, out: Path, ctx: Context
) -> Draft:
    """Compile an IR on this machine, which ``target`` describes, and store the result."""
    ctx.progress(0.0, "compiling")
    properties = engine.configuration(options, ctx.threads)
    compiled = engine.compile_graph(source.component_file(), properties)
    ctx.progress(0.5, "writing")
    size = (out / FILE).write_bytes(compiled.export_model().getbuffer())
    # Larger than the graph where the engine unpacks what it will not compute in 8 bits, such
    # as embedding tables.
    facts: dict[str, JsonValue] = {BUILD: engine.build(), "weight_bytes": size}
    parameters = source.manifest.facts.get("parameters")
    if isinstance(parameters, int) and parameters:
        facts["bits_per_weight"] = size * 8 / parameters
    return Draft(
        format=FORMAT,
        traits=source.traits.model_copy(update={"stage": STAGE, "bound_to": target.fingerprint}),
        components={"model": Component(signature=source.component().signature, file=FILE)},
        facts=facts,
    )


def load(artifact: Artifact, properties: dict[str, Any], target: Target) -> tuple[Any, object]:
    """The compiled model, and the memory that must outlive it.

    Raises `HardwareUnavailable` on another kind of CPU, `UserError` with another OpenVINO.
    """
    if artifact.traits.bound_to != target.fingerprint:
        raise HardwareUnavailable(
            f"{artifact.path} was compiled for a CPU with other features than this one",
            hint="Compile it again on this machine, or use the openvino-ir it was made from.",
        )
    made_by, here = artifact.manifest.facts.get(BUILD), engine.build()
    if made_by != here:
        raise UserError(
            f"{artifact.path} was compiled by OpenVINO {made_by}, and this is {here}",
            hint="Compile it again with this version, or install the one it was made by.",
        )
    return engine.import_blob(artifact.component_file(), properties)
