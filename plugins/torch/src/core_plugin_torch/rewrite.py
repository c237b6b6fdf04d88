"""A model's checkpoint written again with other values in some of its tensors.

Names, order, shards, dtypes and metadata stay as they are, and so does every tensor that is not
changed, to the bit; tokenizer and processor are copied, and ``config.json`` keeps what is not
edited. Format of the shards: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from pydantic import JsonValue
from torch import Tensor

from hwcore.contract import Artifact, UserError
from hwcore.transformers import read_tensors
from hwcore.transformers.checkpoint import INDEX, read_header

CHUNK = 16 << 20
"""Bytes that are copied at once."""
CONFIG = "config.json"
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Dtypes of tensors that may be changed, by safetensors' names."""
FLOATING = frozenset({"float64", "float32", "float16", "bfloat16"})
"""The same by numpy's names."""

Rename = Callable[[str], str | None]
"""A tensor's new name, or ``None`` where it is left out."""
Step = Callable[[float], None]
"""Told the fraction of the bytes that is written; raises where the work is to stop."""
Look = Callable[[str, Tensor], None]
"""Shown each changed tensor as it is written: its new name, and its values as they are rounded."""


@dataclass(frozen=True)
class Written:
    """What the checkpoint holds now."""

    parameters: int
    """Floating-point elements."""
    weight_bytes: int
    """Bytes of those."""

    def facts(self) -> dict[str, JsonValue]:
        """As the source has them, counted again."""
        return {
            "parameters": self.parameters,
            "weight_bytes": self.weight_bytes,
            "bits_per_weight": 8 * self.weight_bytes / self.parameters,
        }


def rewrite(
    source: Artifact,
    out: Path,
    changes: Mapping[str, Tensor],
    *,
    rename: Rename = lambda name: name,
    config: Mapping[str, JsonValue] | None = None,
    step: Step = lambda fraction: None,
    look: Look = lambda name, tensor: None,
) -> Written:
    """Write the ``transformers`` artifact ``source`` into ``out`` with ``changes`` made.

    ``changes`` are by the tensors' names in the checkpoint (see `locate`), of any shape; they are
    rounded to the dtype that the tensor has there. ``config`` are keys of ``config.json`` with
    their new values.

    Raises `UserError` for a change to what is not there or is no floating point.
    """
    shards = {
        name: _stored(source.root / name)
        for name in sorted(source.manifest.files)
        if name.endswith(".safetensors")
    }
    changeable = {
        tensor.name for held in shards.values() for tensor in held if tensor.dtype in DTYPES
    }
    for name in changes:
        if name not in changeable:
            raise UserError(
                f"{source.root} has no floating-point tensor {name!r} to change",
                hint="Name a floating-point model that was saved with save_pretrained().",
            )
    total = sum(tensor.size for held in shards.values() for tensor in held)
    done = parameters = weight_bytes = all_bytes = 0
    where: dict[str, str] = {}
    for shard, held in shards.items():
        kept = {tensor: new for tensor in held if (new := rename(tensor.name)) is not None}
        where |= dict.fromkeys(kept.values(), shard)
        with (source.root / shard).open("rb") as original, (out / shard).open("wb") as made:
            made.write(_header(_metadata(original), kept, changes))
            for tensor, name in kept.items():
                changed = changes.get(tensor.name)
                if changed is None:
                    size = _copy(made, original, tensor)
                else:
                    rounded = changed.detach().cpu().to(DTYPES[tensor.dtype]).contiguous()
                    look(name, rounded)
                    size = made.write(rounded.reshape(-1).view(torch.uint8).numpy().data)
                all_bytes += size
                if tensor.dtype in DTYPES:
                    parameters += size // DTYPES[tensor.dtype].itemsize
                    weight_bytes += size
                done += tensor.size
                step(done / total)
    _copy_others(source, out, where, all_bytes, config or {})
    return Written(parameters, weight_bytes)


def locate(source: Artifact, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Where tensors of the loaded model, by name, lie in the checkpoint: their names there.

    transformers renames tensors when it loads them: it adds or drops the name of the body, and
    translates those of earlier versions. What a tensor holds is not renamed: a tensor is known
    by its values, in float32, and where two hold the same (zeros, ones) by the layer it is in.
    To be called before a value changes.

    Raises `UserError` for a tensor that is not there as it is: one that transformers put together
    of several, say.
    """
    wanted = {name: _key(tensor.detach()) for name, tensor in tensors.items()}
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    holding: dict[str, list[str]] = {}
    for name, array in read_tensors(source):
        if array.shape in shapes and array.dtype.name in FLOATING:
            values = torch.from_numpy(array.astype("float32", copy=False))
            holding.setdefault(_key(values), []).append(name)
    found: dict[str, str] = {}
    layers: dict[str, str] = {}
    for name, key in wanted.items():
        candidates = holding.get(key, [])
        if not candidates:
            raise UserError(
                f"{source.root} does not hold {name} as the model has it",
                hint="Save the model again with save_pretrained().",
            )
        if len(candidates) == 1:
            found[name] = candidates[0]
            layers[_layer(name)] = _layer(candidates[0])
    for name, key in wanted.items():
        if name not in found:
            found[name] = _likeliest(source, name, holding[key], layers)
    return found


def _likeliest(
    source: Artifact, name: str, candidates: Sequence[str], layers: Mapping[str, str]
) -> str:
    """Of tensors that hold the same: the one in the layer of ``name``, or the likest by name."""
    layer, kind = layers.get(_layer(name)), name.rpartition(".")[2]
    if layer is not None and f"{layer}.{kind}" in candidates:
        return f"{layer}.{kind}"

    def likeness(other: str) -> tuple[bool, int]:
        alike = 0
        for mine, its in zip(reversed(name.split(".")), reversed(other.split(".")), strict=False):
            if mine != its:
                break
            alike += 1
        return re.findall(r"\d+", name) == re.findall(r"\d+", other), alike

    first, second = sorted(candidates, key=likeness, reverse=True)[:2]
    if likeness(first) == likeness(second):
        raise UserError(
            f"{first} and {second} in {source.root} hold the same: which is {name} is not clear",
            hint="Train the model, or save it again with save_pretrained().",
        )
    return first


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _key(values: Tensor) -> str:
    numbers = values.float().contiguous().cpu()
    digest = hashlib.sha256(numbers.numpy().data if numbers.numel() else b"")
    return f"{tuple(values.shape)} {digest.hexdigest()}"


@dataclass(frozen=True)
class _Stored:
    """A tensor of a shard."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """Of its first byte in the file."""
    size: int
    """Bytes."""


def _stored(shard: Path) -> list[_Stored]:
    """The tensors of a file in the order of their bytes, which follow each other without a gap."""
    entries = sorted(read_header(shard).items(), key=lambda item: item[1].begin)
    ends = [entry.begin for _, entry in entries[1:]] + [shard.stat().st_size]
    return [
        _Stored(name, entry.dtype, entry.shape, entry.begin, end - entry.begin)
        for (name, entry), end in zip(entries, ends, strict=True)
    ]


def _metadata(shard: BinaryIO) -> Any:
    """The header's own entry ``__metadata__``, of a file that is known to be well-formed."""
    length = int.from_bytes(shard.read(8), "little")
    return json.loads(shard.read(length)).get("__metadata__")


def _header(metadata: Any, kept: Mapping[_Stored, str], changes: Mapping[str, Tensor]) -> bytes:
    entries: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    begin = 0
    for tensor, name in kept.items():
        changed = changes.get(tensor.name)
        shape, size = tensor.shape, tensor.size
        if changed is not None:
            shape = tuple(changed.shape)
            size = changed.numel() * DTYPES[tensor.dtype].itemsize
        offsets = [begin, begin := begin + size]
        entries[name] = {"dtype": tensor.dtype, "shape": list(shape), "data_offsets": offsets}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text


def _copy(made: BinaryIO, original: BinaryIO, tensor: _Stored) -> int:
    """Copy one tensor; how many bytes it takes."""
    original.seek(tensor.begin)
    left = tensor.size
    while left:
        left -= made.write(original.read(min(left, CHUNK)))
    return tensor.size


def _copy_others(
    source: Artifact,
    out: Path,
    where: Mapping[str, str],
    all_bytes: int,
    config: Mapping[str, JsonValue],
) -> None:
    """Write the index and the config, and copy the other files of the artifact."""
    for name in source.manifest.files:
        if name.endswith(".safetensors"):
            continue
        if name == INDEX:
            index = json.loads((source.root / name).read_text("utf-8"))
            index["weight_map"] = dict(sorted(where.items()))
            index["metadata"] = {**(index.get("metadata") or {}), "total_size": all_bytes}
            _write_json(out / name, index)
        elif name == CONFIG and config:
            settings = json.loads((source.root / name).read_text("utf-8"))
            _write_json(out / name, {**settings, **config})
        else:
            if "/" in name:
                (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.root / name, out / name)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
