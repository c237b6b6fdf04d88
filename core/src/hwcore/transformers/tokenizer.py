"""A model's fast tokenizer, without transformers where the folder has a ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hwcore.contract import Signature, UserError
from hwcore.transformers.config import read_json
from hwcore.transformers.hub import VOCABULARIES
from hwcore.transformers.libraries import quiet_transformers, require

Encoded = dict[str, list[list[int]]]
"""By input name: one list of integers per text, unpadded."""


class Tokenizer:
    """Texts to the model's inputs; safe to call from several threads. See `load_tokenizer`."""

    def __init__(self, backend: Any, names: Sequence[str], pad_id: int) -> None:
        self._backend = backend
        self.names = tuple(names)
        """Inputs it fills, in the signature's order."""
        self.pads = {"input_ids": pad_id, "attention_mask": 0, "token_type_ids": 0}
        """What a shorter row is filled with, by input."""

    @property
    def max_length(self) -> int | None:
        """Tokens at which a text is cut, special ones included; ``None`` if never."""
        truncation = self._backend.truncation
        return None if truncation is None else int(truncation["max_length"])

    def __call__(self, texts: Sequence[str]) -> Encoded:
        """Tokenize and cut each text."""
        rows = self._backend.encode_batch(list(texts))
        fields = {
            "input_ids": [row.ids for row in rows],
            "attention_mask": [row.attention_mask for row in rows],
            "token_type_ids": [row.type_ids for row in rows],
        }
        return {name: fields[name] for name in self.names}

    def decode(self, ids: Iterable[int]) -> str:
        """Token ids back to a text, without special tokens."""
        return str(self._backend.decode([int(id) for id in ids], skip_special_tokens=True))


def load_tokenizer(
    folder: Path, signature: Signature, *, max_length: int | None = None
) -> Tokenizer:
    """The tokenizer of a folder, for a model of that signature.

    Texts are cut at ``max_length`` tokens, or the model's maximum if that is less. A folder
    without ``tokenizer.json`` goes through transformers, which converts older files. Raises
    `UserError` if there is no tokenizer, it does not load, or ``max_length`` is too small.
    """
    file = folder / "tokenizer.json"
    backend = _read(file) if file.is_file() else _convert(folder)
    sequence = signature.inputs[0].shape[1]
    most = signature.dim(sequence).max if isinstance(sequence, str) else sequence
    # A tokenizer.json may hold the padding and truncation of the last program that used it.
    backend.no_padding()
    backend.no_truncation()
    limits = [limit for limit in (max_length, most) if limit is not None]
    if limits:
        special = backend.num_special_tokens_to_add(False)
        if min(limits) <= special:
            raise UserError(
                f"max_length {min(limits)} leaves no room for text, special tokens take {special}",
                hint=f"Take a --max-length of at least {special + 1}.",
            )
        backend.enable_truncation(min(limits))
    return Tokenizer(backend, [spec.name for spec in signature.inputs], _pad_id(folder, backend))


def _read(file: Path) -> Any:
    tokenizers = require("tokenizers")
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(
            f"{file} cannot be read: {error}", hint="Download or save the model again."
        ) from error


def _convert(folder: Path) -> Any:
    # Without any of these transformers makes a tokenizer that knows no words, and says nothing.
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise _no_tokenizer(folder)
    transformers = require("transformers")
    with quiet_transformers():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise _no_tokenizer(folder) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise _no_tokenizer(folder)
    return backend


def _no_tokenizer(folder: Path) -> UserError:
    return UserError(
        f"{folder} has no fast tokenizer",
        hint="Put the model's tokenizer.json into the folder.",
    )


def _pad_id(folder: Path, backend: Any) -> int:
    """The id of the padding token; 0 where no file names one: it is masked anyway."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            token = read_json(folder / name).get("pad_token")
            content = token.get("content") if isinstance(token, dict) else token
            found = backend.token_to_id(content) if isinstance(content, str) else None
            if found is not None:
                return int(found)
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    return int(config.get("pad_token_id") or 0)
