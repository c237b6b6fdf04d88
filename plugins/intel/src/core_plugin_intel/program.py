"""The format ``torch-export``: ``model.pt2``, an exported program as `torch.export.save` writes it.

The program is that of the flat module (`hwcore.transformers.load_module`): it takes the
signature's inputs and gives a tuple of its outputs, both in order. Operators beyond torch's own
are those of ``quantized_decomposed``, the reference operators of quantized programs.
"""

from __future__ import annotations

import copy
import errno
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from hwcore.contract import Artifact, Component, Draft, PluginError, Signature, Traits
from hwcore.data import example_inputs
from hwcore.vendor import quiet

FORMAT = "torch-export"
FILE = "model.pt2"

NARROW = frozenset({torch.int8, torch.uint8})
REDUCED = NARROW | {torch.bfloat16}
PRODUCTS = frozenset({torch.ops.aten.linear.default, torch.ops.aten.conv2d.default})
_STORED = frozenset({InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR})
_KEPT = frozenset({"val", "nn_module_stack", "source_fn_stack", "torch_fn", "custom"})
"""What nodes say of themselves in the file. The rest are traces with paths of this machine, and
ids that differ from one run to the next."""


class Counts(NamedTuple):
    """What a program holds."""

    bytes: int
    """Stored bytes of weights, scales and zero points; not of positions and masks."""
    operations: int
    """Products whose weights are stored in 8 bits or less, or in bfloat16."""


def capture(module: torch.nn.Module, signature: Signature, *, seed: int = 0) -> ExportedProgram:
    """The program of a flat module, with every dimension of the signature left open.

    Raises `PluginError` where the module's code fixes one.
    """
    example = example_tensors(signature, seed)
    try:
        with quiet("torch", "transformers"), torch.no_grad():
            return torch.export.export(
                module, example, dynamic_shapes=_dynamic_shapes(signature), strict=False
            )
    except torch._dynamo.exc.UserError as error:
        reason = str(error).strip().splitlines()[0]
        raise PluginError(
            f"torch.export did not keep the dimensions of the model open: {reason[:160]}",
            hint="The model's code depends on a size that should be free.",
        ) from error


def example_tensors(signature: Signature, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Made-up inputs, in the signature's order."""
    arrays = example_inputs(signature, seed=seed)
    return tuple(torch.from_numpy(arrays[spec.name]) for spec in signature.inputs)


def graph_of(program: ExportedProgram) -> torch.fx.GraphModule:
    """A copy of a program as a graph of a module's operators, to be changed."""
    with quiet("torch"):
        made: torch.fx.GraphModule = copy.deepcopy(program.module(check_guards=False))
    return made


def tensor_of(graph: torch.fx.GraphModule, node: torch.fx.Node) -> torch.Tensor:
    """The parameter or buffer behind a ``get_attr`` node."""
    value: Any = graph
    for part in str(node.target).split("."):
        value = getattr(value, part)
    found: torch.Tensor = value.data
    return found


def drop_unused(graph: torch.fx.GraphModule) -> None:
    """Remove what no operator reads any more, such as the weights before they were rounded.

    Exported again, a module takes all that it holds along.
    """
    used = {str(node.target) for node in graph.graph.nodes if node.op == "get_attr"}
    for name, _ in [*graph.named_parameters(), *graph.named_buffers()]:
        if name not in used:
            parent, _, own = name.rpartition(".")
            delattr(graph.get_submodule(parent), own)


def none_left() -> PluginError:
    """The error of a model in which nothing has fewer bits."""
    return PluginError(
        "there is no layer left to quantize", hint="Leave fewer layers in floating point."
    )


def write(
    program: ExportedProgram, source: Artifact, scheme: str, parameters: int, out: Path
) -> Draft:
    """Save a program into ``out``. ``parameters`` is how many numbers the float model has.

    Equal programs make equal files, and no file holds a pickle: example inputs, which torch
    stores as one, are left out. Raises `PluginError` for a program in which nothing has fewer
    bits, `OSError` or `RuntimeError` when the disk is full.
    """
    found = count(program)
    if not found.operations:
        raise none_left()
    _strip(program)
    with quiet("torch"):
        torch.export.save(program, out / FILE)
    _check_whole(out / FILE)
    traits: Traits = source.traits.model_copy(update={"quantization": scheme})
    return Draft(
        format=FORMAT,
        traits=traits,
        components={"model": Component(signature=source.component().signature, file=FILE)},
        facts={
            "parameters": parameters,
            "weight_bytes": found.bytes,
            "bits_per_weight": found.bytes * 8 / parameters,
            "ops_quantized": found.operations,
        },
    )


def _check_whole(file: Path) -> None:
    """Raises `OSError` for a file whose end is missing: torch's writer may not say so."""
    try:
        with zipfile.ZipFile(file):
            pass
    except zipfile.BadZipFile as error:
        raise OSError(errno.ENOSPC, "the program was not written to its end", str(file)) from error


def count(program: ExportedProgram) -> Counts:
    """Count what a program stores. Tensors that share memory are counted once."""
    tensors = _stored(program)
    sizes = {t.untyped_storage().data_ptr(): t.nbytes for t in tensors.values() if _is_weight(t)}
    narrow: dict[torch.fx.Node, bool] = {}
    """Of nodes that no input reaches: whether a tensor of few bits does."""
    operations = 0
    for node in program.graph.nodes:
        operands = node.all_input_nodes
        if node.name in tensors:
            narrow[node] = tensors[node.name].dtype in REDUCED
        elif operands and all(operand in narrow for operand in operands):
            narrow[node] = any(narrow[operand] for operand in operands)
        if node.target in PRODUCTS:
            operations += narrow.get(node.args[1], False)
    return Counts(sum(sizes.values()), operations)


def _stored(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Every tensor that a program takes from its file, by the name of its placeholder."""
    return {
        spec.arg.name: program.state_dict[spec.target]
        if spec.target in program.state_dict
        else program.constants[spec.target]
        for spec in program.graph_signature.input_specs
        if spec.kind in _STORED
    }


def _is_weight(tensor: torch.Tensor) -> bool:
    return tensor.dim() > 0 and (tensor.is_floating_point() or tensor.dtype in NARROW)


def _strip(program: ExportedProgram) -> None:
    """Remove what is no part of the model: example inputs, traces, guards as Python code."""
    program.example_inputs = None
    program._guards_code = []
    for graph_module in program.graph_module.modules():
        if isinstance(graph_module, torch.fx.GraphModule):
            for node in graph_module.graph.nodes:
                node.meta = {key: value for key, value in node.meta.items() if key in _KEPT}


def _dynamic_shapes(signature: Signature) -> tuple[dict[int, torch.export.Dim], ...]:
    """The open dimensions of each input, by axis. One of the signature is one wherever it is."""
    dims = {
        dim.name: torch.export.Dim(dim.name, min=dim.min, max=dim.max) for dim in signature.dims
    }
    return tuple(
        {axis: dims[size] for axis, size in enumerate(spec.shape) if isinstance(size, str)}
        for spec in signature.inputs
    )
