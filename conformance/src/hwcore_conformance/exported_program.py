"""The tensors of a ``.pt2`` file, an exported program of PyTorch, read without PyTorch.

An archive (zip) with one folder: the tensors' bytes are entries ``data/weights/weight_N``, and
``data/weights/model_weights_config.json`` says what each holds; constants likewise.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from hwcore.contract import Array

KINDS = ("weights", "constants")
DTYPES: dict[int, Any] = {
    1: np.uint8,
    2: np.int8,
    3: np.int16,
    4: np.int32,
    5: np.int64,
    6: np.float16,
    7: np.float32,
    8: np.float64,
    12: np.bool_,
    13: ml_dtypes.bfloat16,
}
"""By the numbers that PyTorch's schema of exported programs gives its dtypes."""


def arrays(path: Path) -> Iterator[tuple[str, Array]]:
    """Copies of every stored tensor of a known dtype, by its name in the model."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        for kind in KINDS:
            config = json.loads(archive.read(f"{root}/data/{kind}/model_{kind}_config.json"))
            for name, told in config["config"].items():
                dtype = DTYPES.get(told["tensor_meta"]["dtype"])
                if dtype is not None:
                    data = archive.read(f"{root}/data/{kind}/{told['path_name']}")
                    yield name, _strided(np.frombuffer(data, dtype), told["tensor_meta"])


def _strided(flat: Array, told: dict[str, Any]) -> Array:
    """Of its numbers one after another, those that belong to the tensor, in its shape."""
    sizes, strides = ([size["as_int"] for size in told[key]] for key in ("sizes", "strides"))
    places = np.full(sizes, told["storage_offset"]["as_int"], np.int64)
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        along = [1] * len(sizes)
        along[axis] = size
        places += (np.arange(size) * stride).reshape(along)
    found: Array = flat[places]
    return found
