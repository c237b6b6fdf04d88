"""Inputs and outputs of OpenVINO's graphs, and the arrays of a signature that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core_plugin_openvino import libraries
from hwcore.contract import PluginError, TensorSpec

_DTYPES = {
    "boolean": "bool",
    "bf16": "bfloat16",
    "f8e4m3": "float8_e4m3fn",
    "f8e5m2": "float8_e5m2",
    "f8e8m0": "float8_e8m0fnu",
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"{kind[0]}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
"""Names of dtypes by OpenVINO's. Its own ``to_dtype`` gives numpy's type of the same width, which
for bfloat16 is float16. Those of less than a byte are left out: it packs them, numpy does not."""


def dtype(port: Any) -> str:
    """The dtype of a port's arrays; OpenVINO's own name where arrays have none like it."""
    name = str(port.get_element_type().get_type_name())
    return _DTYPES.get(name, name)


def element_type(dtype: str) -> Any:
    """The ``openvino.Type`` of a dtype. Raises `PluginError` if there is none."""
    for theirs, ours in _DTYPES.items():
        if ours == dtype:
            return getattr(libraries.openvino().Type, theirs)
    raise PluginError(f"OpenVINO has no arrays of {dtype}")


def is_disguised(port: Any) -> bool:
    """Whether OpenVINO's Python interface knows the arrays of a port by another dtype only."""
    return dtype(port) != str(port.get_element_type().to_dtype())


def places(kind: str, ports: Sequence[Any], specs: Sequence[TensorSpec]) -> dict[str, int]:
    """Where each array of a signature is among the ports, by its name and in its order.

    A port may go by several names: OpenVINO hands on those of what it removes beside it, and in
    a file an input that is an output at once keeps the output's only. What has no name of the
    signature is paired in order. Raises `PluginError` if ports and arrays are not one to one.
    """
    names = [port.get_names() for port in ports]
    found: dict[str, int] = {}
    for spec in specs:
        # One that no other array has: merged outputs, which are equal, go by each other's names.
        ways = [place for place, given in enumerate(names) if spec.name in given]
        free = [place for place in ways if place not in found.values()]
        if free:
            found[spec.name] = free[0]
    nameless = [place for place in range(len(ports)) if place not in found.values()]
    missing = [spec.name for spec in specs if spec.name not in found]
    if len(nameless) != len(missing):
        expected = ", ".join(spec.name for spec in specs)
        raise PluginError(f"OpenVINO made a graph of {len(ports)} {kind}, expected {expected}")
    found |= zip(missing, nameless, strict=True)
    return {spec.name: found[spec.name] for spec in specs}
