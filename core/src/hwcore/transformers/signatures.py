"""The signature of a model, from its config alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwcore.contract import Dim, Integers, Mask, Normal, Signature, TensorSpec, UserError
from hwcore.transformers.config import read_json, whole
from hwcore.transformers.families import Family, Kind

BATCH = "batch"
SEQUENCE = "sequence"
MAX_LABELS = 1 << 20
"""Bound on the names that are made up for labels without any."""


def read_signature(folder: Path, config: dict[str, Any], kind: Kind) -> Signature:
    """What the model takes and gives; see `hwcore.transformers.read_source`."""
    inputs, dims, hidden = (
        _text(folder, config, kind.family)
        if kind.family.modality == "text"
        else _image(config, kind.family)
    )
    if kind.task == "feature-extraction":
        output = TensorSpec(name="last_hidden_state", dtype="float32", shape=hidden)
    else:
        shape = (BATCH, len(read_labels(config)))
        output = TensorSpec(name="logits", dtype="float32", shape=shape)
    return Signature(inputs=inputs, outputs=(output,), dims=(Dim(name=BATCH), *dims))


def read_labels(config: dict[str, Any]) -> tuple[str, ...]:
    """Names of the classes, by id. Raises `UserError` if ids are not 0, 1, 2 …"""
    names = config.get("id2label")
    if names is None:
        # Two is transformers' default, which it leaves out of the file.
        count = whole(config, "num_labels") if "num_labels" in config else 2
        if count > MAX_LABELS:
            raise UserError(
                f"config.json has {count} labels, expected at most {MAX_LABELS}",
                hint="Mend num_labels.",
            )
        names = {str(index): f"LABEL_{index}" for index in range(count)}
    ids = [str(index) for index in range(len(names))] if isinstance(names, dict) else []
    if not ids or sorted(names) != sorted(ids):
        raise UserError(
            "config.json has an id2label that does not number its labels 0, 1, 2 …",
            hint='Mend it, for example "id2label": {"0": "negative", "1": "positive"}.',
        )
    return tuple(str(names[index]) for index in ids)


def _text(
    folder: Path, config: dict[str, Any], family: Family
) -> tuple[tuple[TensorSpec, ...], tuple[Dim, ...], tuple[int | str, ...]]:
    shape = (BATCH, SEQUENCE)
    vocabulary = Integers(high=whole(config, "vocab_size"))
    inputs = [
        TensorSpec(name="input_ids", dtype="int64", shape=shape, fill=vocabulary),
        TensorSpec(name="attention_mask", dtype="int64", shape=shape, fill=Mask()),
    ]
    segments = whole(config, "type_vocab_size", least=0) if config.get("type_vocab_size") else 0
    if family.segments and segments > 1 and _tokenizer_gives_segments(folder):
        fill = Integers(high=segments)
        inputs.append(TensorSpec(name="token_type_ids", dtype="int64", shape=shape, fill=fill))
    dims = (Dim(name=SEQUENCE, max=_longest(config, family)),)
    return tuple(inputs), dims, (*shape, whole(config, family.width))


def _longest(config: dict[str, Any], family: Family) -> int:
    """Most tokens of a text that there are positions for."""
    positions = whole(config, "max_position_embeddings")
    padding = whole(config, "pad_token_id", least=0) + 1 if family.padded_positions else 0
    if padding >= positions:
        raise UserError(
            f"config.json has max_position_embeddings {positions}, and padding takes {padding} "
            "of them",
            hint="Mend max_position_embeddings or pad_token_id.",
        )
    return positions - padding


def _tokenizer_gives_segments(folder: Path) -> bool:
    """Whether the tokenizer leaves ``token_type_ids`` in, as it does unless told otherwise."""
    path = folder / "tokenizer_config.json"
    names = read_json(path).get("model_input_names") if path.is_file() else None
    return not isinstance(names, list) or "token_type_ids" in names


def _image(
    config: dict[str, Any], family: Family
) -> tuple[tuple[TensorSpec, ...], tuple[Dim, ...], tuple[int | str, ...]]:
    height, width = _pair(config, "image_size")
    shape = (BATCH, whole(config, "num_channels"), height, width)
    pixels = TensorSpec(name="pixel_values", dtype="float32", shape=shape, fill=Normal())
    if family.modality == "maps":
        return (pixels,), (), ()  # a classifier, whose hidden states are no output
    patch_height, patch_width = _pair(config, "patch_size")
    tokens = (height // patch_height) * (width // patch_width) + family.extra_tokens
    return (pixels,), (), (BATCH, tokens, whole(config, family.width))


def _pair(config: dict[str, Any], key: str) -> tuple[int, int]:
    """A size given as one number, or as height and width."""
    value = config.get(key)
    if isinstance(value, list) and len(value) == 2:
        height, width = ({key: size} for size in value)
        return whole(height, key), whole(width, key)
    size = whole(config, key)
    return size, size
