"""Safetensors files that are not what they should be."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from hwcore.contract import UserError
from hwcore.transformers.checkpoint import INDEX, SINGLE, read_checkpoint, read_header

GOOD = {"a": np.ones((2, 3), np.float32), "b": np.zeros((4,), np.float16)}


def write(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(begin: int, end: int, *, dtype: str = "F32", shape: Any = (1,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_counts_floating_point_elements_only(tmp_path: Path) -> None:
    save_file({**GOOD, "position_ids": np.arange(7)}, tmp_path / SINGLE)
    found = read_checkpoint(tmp_path)
    assert found.files == (SINGLE,)
    assert found.parameters == 6 + 4
    assert found.weight_bytes == 6 * 4 + 4 * 2


shapes = st.lists(st.integers(0, 4), max_size=3)


@given(st.dictionaries(st.text(min_size=1, max_size=5).filter("__metadata__".__ne__), shapes))
def test_reads_what_safetensors_writes(tensors: dict[str, list[int]]) -> None:
    import tempfile

    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SINGLE
        path.write_bytes(save(arrays, metadata={"format": "np"}))
        found = {n: (entry.dtype, entry.shape) for n, entry in read_header(path).items()}
        assert found == {n: ("F32", tuple(shape)) for n, shape in tensors.items()}


@given(st.data())
def test_no_truncation_goes_unnoticed(data: st.DataObject) -> None:
    import tempfile

    content = save(GOOD)
    cut = data.draw(st.integers(0, len(content) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SINGLE
        path.write_bytes(content[:cut])
        with pytest.raises(UserError, match=f"{SINGLE} is damaged: "):
            read_header(path)


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        (b"{", b"", "its header is not valid JSON"),
        (b"[" * 200_000, b"", "its header is not valid JSON"),
        (b"\xff\xfe", b"", "its header is not valid JSON"),
        ([], b"", "its header is not a JSON object"),
        (b'{"a": 1, "a": 2}', b"", "a key occurs twice"),
        ({"a": 7}, b"", "the header's entry for 'a' is not one"),
        ({"a": {"dtype": "F32"}}, b"", "the header's entry for 'a' is not one"),
        ({"a": entry(0, 4, dtype="F33")}, bytes(4), "the header's entry for 'a' is not one"),
        ({"a": entry(0, 4, shape=[-1])}, bytes(4), "sizes must be whole numbers"),
        ({"a": entry(0, 4, shape=[1.0])}, bytes(4), "sizes must be whole numbers"),
        ({"a": entry(0, 4, shape=[True])}, bytes(4), "sizes must be whole numbers"),
        ({"a": entry(0, 4, shape="1")}, bytes(4), "sizes must be whole numbers"),
        ({"a": entry(0, 4, shape=[2])}, bytes(4), "tensor 'a' has 4 bytes, expected 8"),
        ({"a": entry(0, 4, shape=[1 << 62, 8])}, bytes(4), "tensor 'a' has 4 bytes, expected"),
        ({"a": entry(4, 0)}, bytes(4), "tensor 'a' has -4 bytes, expected 4"),
        ({"a": entry(4, 8)}, bytes(8), "tensor 'a' do not follow those before it"),
        ({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12), "'b' do not follow those before it"),
        ({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4), "'b' do not follow those before it"),
        ({"a": entry(0, 4)}, bytes(5), "its header says"),
        ({"a": entry(0, 4)}, bytes(3), "its header says"),
    ],
)
def test_names_the_damage(tmp_path: Path, header: Any, data: bytes, why: str) -> None:
    path = write(tmp_path / SINGLE, header, data)
    with pytest.raises(UserError) as caught:
        read_header(path)
    assert caught.value.message.startswith(f"{path} is damaged: ")
    assert why in caught.value.message
    assert caught.value.hint == "Download the file, or save the model, again."


@pytest.mark.parametrize("length", [3, 1 << 20, 1 << 60])
def test_a_header_larger_than_the_file_is_never_read(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / SINGLE, b"{}", length=length)
    with pytest.raises(UserError, match="too few for its header"):
        read_header(path)


def test_an_unreadable_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_header(tmp_path)


def test_adds_up_shards(tmp_path: Path) -> None:
    save_file({"a": GOOD["a"]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": GOOD["b"]}, tmp_path / "model-00002-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": names}))
    found = read_checkpoint(tmp_path)
    assert found.files == (INDEX, *names.values())
    assert found.parameters == 10


@pytest.mark.parametrize(
    ("weight_map", "why"),
    [
        (None, "has no weight_map"),
        ({}, "has no weight_map"),
        ({"a": "gone.safetensors"}, "lacks gone.safetensors, which its index names"),
        ({"a": "../here.safetensors"}, "places 'a' outside the folder: '../here.safetensors'"),
        ({"a": ".."}, "lacks .., which its index names"),
        ({"a": 3}, "places 'a' outside the folder: 3"),
        ({"z": "here.safetensors"}, "lacks the tensor 'z', which its index names"),
    ],
)
def test_names_what_is_wrong_with_an_index(tmp_path: Path, weight_map: Any, why: str) -> None:
    save_file(GOOD, tmp_path / "here.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(UserError) as caught:
        read_checkpoint(tmp_path)
    assert why in caught.value.message


def test_a_pickle_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(UserError, match=r"as a pickle only \(pytorch_model\.bin\)") as caught:
        read_checkpoint(tmp_path)
    assert "safe_serialization=True" in str(caught.value.hint)


def test_no_weights_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        read_checkpoint(tmp_path)


def test_weights_without_floats_are_none(tmp_path: Path) -> None:
    save_file({"a": np.arange(3)}, tmp_path / SINGLE)
    with pytest.raises(UserError, match="has no floating-point weights"):
        read_checkpoint(tmp_path)
