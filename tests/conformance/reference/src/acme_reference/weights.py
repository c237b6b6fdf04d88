"""What is done with weights: rounding, pruning, packing; and the files they lie in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from acme_hwcore.engine import QKV

from hwcore.contract import Array, ArtifactCorrupt

FILE = "model.npz"
Weights = dict[str, Array]


def read(file: Path) -> Weights:
    """Every array of a file. Raises `ArtifactCorrupt`."""
    try:
        with file.open("rb") as stream, np.load(stream) as stored:
            return {name: stored[name] for name in stored.files}
    except MemoryError:
        raise
    except Exception as error:
        raise ArtifactCorrupt(f"{file} cannot be read: {error}", hint="Make it again.") from error


def write(file: Path, weights: Weights) -> None:
    """Equal arrays give equal bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(weights):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                array = np.asanyarray(weights[name])
                np.lib.format.write_array(stream, array, allow_pickle=False)


def linear(name: str) -> bool:
    """True for the matrix of a linear layer of the encoder, packed or not."""
    return name.startswith("encoder.") and name.endswith(".weight") and "LayerNorm" not in name


def rounded(weights: Weights, levels: int) -> Weights:
    """Matrices as int8, with a scale for each output channel; one of zeros has the scale 1."""
    made = dict(weights)
    for name in filter(linear, weights):
        largest = np.abs(weights[name]).max(axis=1, keepdims=True)
        scale = np.where(largest > 0, largest / levels, 1).astype(np.float32)
        made[name] = np.round(weights[name] / scale).astype(np.int8)
        made[f"{name}.scale"] = scale
    return made


def pruned(weights: Weights) -> Weights:
    """The two smaller of four neighbours along the inputs of every matrix become zero."""
    made = dict(weights)
    for name in filter(linear, weights):
        groups = weights[name].reshape(-1, 4)
        smaller = np.argsort(np.abs(groups), axis=1, kind="stable")[:, :2]
        zeroed = groups.copy()
        np.put_along_axis(zeroed, smaller, 0, axis=1)
        made[name] = zeroed.reshape(weights[name].shape)
    return made


def packed(weights: Weights) -> Weights:
    """Query, key and value of a layer as one array, below each other."""
    made = dict(weights)
    for name in weights:
        layer, found, part = name.partition("query.")
        if found and not part.endswith("range"):
            parts = [made.pop(f"{layer}{which}.{part}") for which in QKV]
            made[f"{layer}qkv.{part}"] = np.concatenate(parts)
    return made


def bits_per_weight(weights: Weights) -> tuple[float, int]:
    """Average bits that a parameter takes, scales and all, and how many parameters there are."""
    parameters = sum(a.size for n, a in weights.items() if not n.endswith((".scale", ".range")))
    return sum(array.nbytes for array in weights.values()) * 8 / parameters, parameters
