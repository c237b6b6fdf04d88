"""Safetensors checkpoints, checked before anything is allocated for them.

Format: https://github.com/huggingface/safetensors#format. A file is eight bytes that give the
length of a JSON header, the header, and the tensors' bytes without a gap.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hwcore.artifacts.files import refuse_endless
from hwcore.contract import UserError
from hwcore.transformers.config import READABLE, json_problem, read_json

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_AGAIN = "Download the file, or save the model, again."

_FLOAT_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
_BITS = _FLOAT_BITS | {
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "U16": 16,
    "I16": 16,
    "U32": 32,
    "I32": 32,
    "U64": 64,
    "I64": 64,
    "C64": 64,
}
"""Bits of an element, by dtype; those narrower than a byte are not floating-point models."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a model folder."""

    files: tuple[str, ...]
    """The index, if there is one, and every file with tensors; relative to the folder."""
    parameters: int
    """Floating-point elements."""
    weight_bytes: int
    """Bytes of those."""


def read_checkpoint(folder: Path) -> Checkpoint:
    """Check the headers of a folder's safetensors files and add them up.

    Raises `UserError` that names the file: missing, truncated, tampered with, or a pickle.
    """
    if (folder / SINGLE).is_file():
        shards = {SINGLE: read_header(folder / SINGLE)}
        files: tuple[str, ...] = (SINGLE,)
    elif (folder / INDEX).is_file():
        shards = _read_shards(folder)
        files = (INDEX, *shards)
    else:
        raise _no_safetensors(folder)
    counts = [
        (prod(entry.shape), _FLOAT_BITS[entry.dtype])
        for header in shards.values()
        for entry in header.values()
        if entry.dtype in _FLOAT_BITS
    ]
    if not counts:
        raise UserError(
            f"{folder} has no floating-point weights",
            hint="Name the floating-point model that it was made from.",
        )
    return Checkpoint(
        files=files,
        parameters=sum(count for count, _ in counts),
        weight_bytes=sum(count * bits // 8 for count, bits in counts),
    )


class Entry(NamedTuple):
    """Where a tensor lies in its file, and what it is."""

    dtype: str
    """As safetensors has it: ``F32``, ``BF16`` …"""
    shape: tuple[int, ...]
    begin: int
    """Of its first byte, from the beginning of the file."""


Header = dict[str, Entry]
"""The tensors of a file, by name."""


def read_header(path: Path) -> Header:
    """Read and check the header of one file. Raises `UserError` if it is damaged."""

    def damaged(why: str) -> NoReturn:
        raise UserError(f"{path} is damaged: {why}", hint=_AGAIN)

    refuse_endless(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                damaged(f"it has {size} bytes, too few for its header")
            text = file.read(length)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint=READABLE) from error
    try:
        entries = json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        damaged(f"its header is not valid JSON ({json_problem(error)})")
    if not isinstance(entries, dict):
        damaged("its header is not a JSON object")
    entries.pop("__metadata__", None)
    tensors: Header = {}
    spans = []
    for name, entry in entries.items():
        try:
            dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            sizes = (begin, end, *shape)
            if not all(type(value) is int and value >= 0 for value in sizes):
                raise ValueError("sizes must be whole numbers")
            expected, rest = divmod(prod(shape) * _BITS[dtype], 8)
        except (KeyError, TypeError, ValueError) as error:
            damaged(f"the header's entry for {name!r} is not one ({error!r})")
        if rest or end - begin != expected:
            damaged(f"tensor {name!r} has {end - begin} bytes, expected {expected}")
        tensors[name] = Entry(dtype, tuple(shape), 8 + length + begin)
        spans.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            damaged(f"the bytes of tensor {name!r} do not follow those before it")
        position = end
    if 8 + length + position != size:
        damaged(f"it has {size} bytes, its header says {8 + length + position}")
    return tensors


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _read_shards(folder: Path) -> dict[str, Header]:
    index = folder / INDEX
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where:
        raise UserError(f"{index} has no weight_map", hint="Save the model again.")
    shards: dict[str, Header] = {}
    for tensor, name in where.items():
        if not isinstance(name, str) or Path(name).name != name or "\\" in name:
            raise UserError(f"{index} places {tensor!r} outside the folder: {name!r}", hint=_AGAIN)
        if name not in shards:
            if not (folder / name).is_file():
                raise UserError(
                    f"{folder} lacks {name}, which its index names",
                    hint=_AGAIN,
                )
            shards[name] = read_header(folder / name)
        if tensor not in shards[name]:
            raise UserError(
                f"{folder / name} lacks the tensor {tensor!r}, which its index names", hint=_AGAIN
            )
    return dict(sorted(shards.items()))


def _no_safetensors(folder: Path) -> UserError:
    hint = (
        "Convert it where you trust it: AutoModel…from_pretrained(folder)"
        ".save_pretrained(new_folder, safe_serialization=True)."
    )
    pickles = sorted(
        path.name
        for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt")
        for path in folder.glob(pattern)
    )
    if pickles:
        return UserError(
            f"{folder} has its weights as a pickle only ({pickles[0]}), which can run code "
            "when it is opened; hwcore reads safetensors",
            hint=hint,
        )
    return UserError(f"{folder} has no {SINGLE}", hint=hint)
