"""The weights of a checkpoint, without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import models
import numpy as np
import pytest
from safetensors.numpy import save_file
from safetensors.torch import load_file

from hwcore.contract import Artifact, UserError
from hwcore.transformers import read_source, read_tensors
from hwcore.transformers.checkpoint import _BITS, SINGLE
from hwcore.transformers.tensors import _DTYPES

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int8", "uint8", "bool")


def saved(tiny_bert: Path, folder: Path, **arrays: np.ndarray) -> Artifact:
    """A model whose checkpoint holds these tensors."""
    model = folder / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_bytes((tiny_bert / "config.json").read_bytes())
    save_file(arrays, model / SINGLE)
    return read_source(model, into=folder / "source")


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_and_dtypes_are_those_of_the_file(
    dtype: str, tiny: Callable[..., Path], tmp_path: Path
) -> None:
    wanted = np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, dtype, dtype))
    arrays = {"float": np.ones(3, np.float32), "it": wanted, "none": np.zeros((0, 4), np.float32)}
    found = dict(read_tensors(saved(tiny("bert"), tmp_path, **arrays)))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_every_dtype_of_a_header_has_a_name() -> None:
    assert _DTYPES.keys() == _BITS.keys()
    for name, bits in _BITS.items():
        dtype = np.dtype(getattr(ml_dtypes, _DTYPES[name], _DTYPES[name]))
        assert dtype.itemsize * 8 == bits


def test_shards_are_read_one_after_another(tmp_path: Path) -> None:
    folder = models.tiny("bert", tmp_path / "model", max_shard_size="20KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 2
    found = dict(read_tensors(read_source(folder, into=tmp_path / "source")))
    wanted = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_a_file_that_was_cut_since_is_named(tiny: Callable[..., Path], tmp_path: Path) -> None:
    source = saved(tiny("bert"), tmp_path, a=np.ones(8, np.float32))
    file = source.root / SINGLE
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(UserError, match="is damaged: it has ") as caught:
        list(read_tensors(source))
    assert str(file) in caught.value.message


def test_a_file_that_went_away_is_named(tiny: Callable[..., Path], tmp_path: Path) -> None:
    source = saved(tiny("bert"), tmp_path, a=np.ones(8, np.float32), b=np.ones(8, np.float32))
    tensors = read_tensors(source)
    next(tensors)
    (source.root / SINGLE).unlink()
    with pytest.raises(UserError, match="cannot be read: No such file"):
        next(tensors)


def test_neither_torch_nor_transformers_is_imported(
    tiny: Callable[..., Path], tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from hwcore.transformers import *\n"
        "list(read_tensors(read_source(Path(sys.argv[1]), into=Path(sys.argv[2]))))\n"
        "assert not {'torch', 'transformers', 'safetensors'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tiny("bert")), str(tmp_path / "source")]
    subprocess.run(command, check=True)
