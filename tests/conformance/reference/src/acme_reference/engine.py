"""The encoder of acme-hwcore, on weights of int8, with inputs of int8, and packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from acme_hwcore.engine import QKV, Encoder

from hwcore.contract import Array, Signature

LINEARS = ("query", "key", "value", "dense")


class Stored(Encoder):
    """An encoder whose file may hold weights as int8, with their scales."""

    def __init__(self, file: Path, signature: Signature, dtype: Any = np.float32) -> None:
        super().__init__(file, signature)
        weights = self._weights
        self._ranges = {
            name.removesuffix(".range"): weights.pop(name)
            for name in list(weights)
            if name.endswith(".range")
        }
        for name in [name for name in weights if name.endswith(".scale")]:
            weight = name.removesuffix(".scale")
            weights[weight] = weights[weight] * weights.pop(name)
        self._dtype = dtype
        self._weights = {name: array.astype(dtype) for name, array in weights.items()}

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Array]:
        """As acme's, whatever it computes in."""
        found = super().__call__(inputs, outputs)
        return {name: array.astype(np.float32) for name, array in found.items()}

    def _linear(self, name: str, x: Array) -> Array:
        return super()._linear(name, self._rounded(name, x))

    def _rounded(self, name: str, x: Array) -> Array:
        """``x`` in steps of 1/127 of the range that its layer has seen, if it has seen one."""
        largest = self._ranges.get(name)
        if largest is None:
            return x
        step = np.float32(largest / 127)
        return np.clip(np.round(x / step), -127, 127).astype(np.float32) * step


class Packed(Stored):
    """An encoder with queries, keys and values of a layer in one matrix."""

    def _linear(self, name: str, x: Array) -> Array:
        layer, _, part = name.rpartition(".")
        if part not in QKV:
            return super()._linear(name, x)
        width = x.shape[-1]
        rows = slice(QKV.index(part) * width, (QKV.index(part) + 1) * width)
        weight = self._weights[f"{layer}.qkv.weight"][rows]
        return self._rounded(name, x) @ weight.T + self._weights[f"{layer}.qkv.bias"][rows]


class Watched(Stored):
    """An encoder that writes down how large the inputs of its linear layers are."""

    def __init__(self, file: Path, signature: Signature) -> None:
        super().__init__(file, signature)
        self.largest: dict[str, float] = {}

    def _linear(self, name: str, x: Array) -> Array:
        if name.endswith("output.dense") and "attention" not in name:
            return super()._linear(name, x)  # after GELU: too wide a range for one step
        largest = float(np.abs(x).max())
        self.largest[name] = max(largest, self.largest.get(name, 0.0))
        return super()._linear(name, x)


class Simulated(Stored):
    """An encoder on a device that is not there: a mock, which computes on the CPU."""

    device = "simulated:0"
