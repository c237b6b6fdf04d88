"""The format ``torch-export``: ``model.pt2``, an exported program as `torch.export.save` writes it.

The program is that of the flat module (`hwcore.transformers.load_module`): it takes the
signature's inputs and gives a tuple of its outputs, both in order.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from torch.export import ExportedProgram

from core_plugin_torch import archive, dynamo
from core_plugin_torch.sink import Sink
from core_plugin_torch.weights import count
from hwcore.contract import Artifact, ArtifactCorrupt, Component, Draft, Traits
from hwcore.vendor import quiet

FORMAT = "torch-export"
FILE = "model.pt2"

_KEPT = frozenset({"val", "nn_module_stack", "source_fn_stack", "torch_fn", "custom"})
"""What nodes say of themselves in the file. The rest are traces with paths of this machine, and
ids that differ from one run to the next."""

_DEFINED_IN = {
    "quantized_decomposed": "torch.ao.quantization.fx._decomposed",
    "torchao": "torchao.quantization.quant_primitives",
}
"""The modules whose import defines the operators of a namespace."""

_NO_FACTS: Mapping[str, JsonValue] = {}


def write(
    program: ExportedProgram,
    source: Artifact,
    traits: Traits,
    out: Path,
    *,
    facts: Mapping[str, JsonValue] = _NO_FACTS,
) -> Draft:
    """Save a program into ``out``, with the facts counted in it; ``facts`` go before those.

    Equal programs make equal files. Raises `OSError` when the disk is full.
    """
    strip(program)
    with Sink(out / FILE) as file, quiet("torch"):
        torch.export.save(program, file)
    archive.check(out / FILE)
    found = count(program)
    return Draft(
        format=FORMAT,
        traits=traits,
        components={"model": Component(signature=source.component().signature, file=FILE)},
        facts={
            "parameters": found.parameters,
            "weight_bytes": found.bytes,
            "bits_per_weight": found.bits_per_weight,
            "ops_quantized": found.operations,
            **facts,
        },
    )


def read(artifact: Artifact) -> ExportedProgram:
    """The program of an artifact. Nothing in the file is unpickled or evaluated.

    Raises `ArtifactCorrupt` if the file is damaged, or holds what `write` would not.
    """
    file = artifact.component_file()
    namespaces = archive.check(file)
    dynamo.load()
    try:
        with quiet("torch"):
            for namespace in sorted(_DEFINED_IN.keys() & namespaces):
                importlib.import_module(_DEFINED_IN[namespace])
            return torch.export.load(file)
    except MemoryError:
        raise
    except Exception as error:  # a graph that is no graph makes it raise every kind there is
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ArtifactCorrupt(
            f"{file} cannot be read by torch {torch.__version__}: {reason[:160]}",
            hint="Export the model again with this version of torch.",
        ) from error


def module(program: ExportedProgram) -> torch.nn.Module:
    """A program as a module to call, without the checks of its inputs: those are the host's."""
    made: torch.nn.Module = program.module(check_guards=False)
    return made


def strip(program: ExportedProgram) -> None:
    """Remove from a program what is no part of the model: example inputs, traces, guards.

    Example inputs would be stored as a pickle, and guards as Python code.
    """
    program.example_inputs = None
    program._guards_code = []
    for graph_module in program.graph_module.modules():
        if isinstance(graph_module, torch.fx.GraphModule):
            for node in graph_module.graph.nodes:
                node.meta = {key: value for key, value in node.meta.items() if key in _KEPT}


def shapes(program: ExportedProgram) -> dict[str, tuple[Any, ...]]:
    """Shape of each input by its name in the program: integers, and symbolic sizes."""
    names = set(program.graph_signature.user_inputs)
    return {
        node.name: tuple(node.meta["val"].shape)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    }
