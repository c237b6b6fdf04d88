"""The format ``openvino-ir``: ``model.xml`` and ``model.bin``, written from a graph."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core_plugin_openvino import libraries
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

    Raises `PluginError` if its inputs or outputs are not those of the signature.
    """
    ov = libraries.openvino()
    inputs = _pair("inputs", model.inputs, signature.inputs)
    for port, spec in inputs + _pair("outputs", model.outputs, signature.outputs):
        port.get_tensor().set_names({spec.name})
        dtype = port.get_element_type().to_dtype().name
        if dtype != spec.dtype:
            raise PluginError(f"OpenVINO made {spec.name} {dtype}, expected {spec.dtype}")
    model.reshape(
        {
            spec.name: ov.PartialShape(
                [-1 if isinstance(size, str) else size for size in spec.shape]
            )
            for _, spec in inputs
        }
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


def _pair(
    kind: str, ports: Sequence[Any], specs: Sequence[TensorSpec]
) -> list[tuple[Any, TensorSpec]]:
    """Ports with their specs: by name where the graph has the names, else in order."""
    if len(ports) != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise PluginError(f"OpenVINO made a graph of {len(ports)} {kind}, expected {names}")
    named = {name: port for port in ports for name in port.get_names()}
    if all(spec.name in named for spec in specs):
        return [(named[spec.name], spec) for spec in specs]
    return list(zip(ports, specs, strict=True))
