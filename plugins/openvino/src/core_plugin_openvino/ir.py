"""The format ``openvino-ir``: ``model.xml`` and ``model.bin``, written from a graph."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_plugin_openvino import libraries, ports
from core_plugin_openvino.graph import quantized_operations, weights
from hwcore.contract import (
    Artifact,
    Component,
    Draft,
    PluginError,
    Signature,
    TensorSpec,
    Traits,
)

FORMAT = "openvino-ir"
FILE = "model.xml"

GRAPH_BYTES = 1 << 20
"""Room for a graph beside its weights."""


def write(model: Any, source: Artifact, traits: Traits, out: Path) -> Draft:
    """Save an ``openvino.Model`` into ``out`` as it is, with the facts counted in its graph.

    Raises `OSError` when the disk is full.
    """
    _number(model)
    found = weights(model)
    try:
        # By default OpenVINO would store the weights in half precision.
        libraries.openvino().save_model(model, out / FILE, compress_to_fp16=False)
    except RuntimeError as error:
        # All that OpenVINO says of a full disk is "iostream error", and its files are gone again.
        if shutil.disk_usage(out).free < found.bytes + GRAPH_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out)) from error
        raise
    return Draft(
        format=FORMAT,
        traits=traits,
        components={"model": Component(signature=source.component().signature, file=FILE)},
        facts={
            "parameters": found.parameters,
            "weight_bytes": found.bytes,
            "bits_per_weight": found.bits_per_weight,
            "ops_quantized": quantized_operations(model),
        },
    )


def adopt(model: Any, signature: Signature) -> None:
    """Give a graph the signature's names, and its dimensions: fixed ones fixed, others open.

    An input that OpenVINO dropped is put back: the graph of an artifact takes what its signature
    says. Raises `PluginError` if the inputs or outputs are others than those of the signature.
    """
    _restore(model, signature.inputs)
    shapes = {}
    for kind, made, specs in (
        ("inputs", model.inputs, signature.inputs),
        ("outputs", model.outputs, signature.outputs),
    ):
        places = ports.places(kind, made, specs)
        for spec in specs:
            port = made[places[spec.name]]
            port.get_tensor().set_names({spec.name})
            if ports.dtype(port) != spec.dtype:
                raise PluginError(
                    f"OpenVINO made {spec.name} {ports.dtype(port)}, expected {spec.dtype}"
                )
            if kind == "inputs":
                shapes[places[spec.name]] = _shape(spec)
    model.reshape(shapes)


def _restore(model: Any, specs: Sequence[TensorSpec]) -> None:
    """Add the inputs that a graph lacks, where all that it has are known by name.

    OpenVINO drops those of ONNX without elements, such as axes that are left to the default.
    """
    names = {name for port in model.inputs for name in port.get_names()}
    missing = [spec for spec in specs if spec.name not in names]
    if len(model.inputs) + len(missing) != len(specs):
        return
    parameter = libraries.openvino().opset13.parameter
    added = [parameter(_shape(spec), ports.element_type(spec.dtype)) for spec in missing]
    for node, spec in zip(added, missing, strict=True):
        node.output(0).get_tensor().set_names({spec.name})
    model.add_parameters(added)


def _shape(spec: TensorSpec) -> Any:
    """Of a graph: symbolic dimensions are open."""
    return libraries.openvino().PartialShape(
        [-1 if isinstance(size, str) else size for size in spec.shape]
    )


def _number(model: Any) -> None:
    """Name nodes without a name by their place in the graph, and the graph alike.

    OpenVINO numbers them through the life of a process: equal graphs would make unequal files.
    """
    model.set_friendly_name("model")
    for place, node in enumerate(model.get_ordered_ops()):
        kind = node.get_type_name()
        if re.fullmatch(rf"{kind}_\d+", node.get_friendly_name()):
            node.set_friendly_name(f"{kind}_{place}")
