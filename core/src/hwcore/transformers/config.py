"""``config.json`` and its like: small JSON files of a folder that somebody else made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwcore.contract import UserError

MAX_JSON_BYTES = 64 << 20
"""More than any real config or shard index; a bound on what is read before it is known."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object. Raises `UserError` that names it."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UserError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MiB")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not valid JSON: {error}", hint="Download or save the model again."
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {type(value).__name__}, expected a JSON object")
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's ``config.json``. Raises `UserError` if the folder is no model."""
    if not folder.exists():
        raise UserError(f"{folder} is not there", hint="Name a folder that holds a model.")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file", hint="Name the folder that holds the model.")
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(
            f"{folder} is not a model: it has no config.json",
            hint="Name a folder written by transformers' save_pretrained().",
        )
    return read_json(path)


def whole(config: dict[str, Any], key: str, *, least: int = 1) -> int:
    """A whole number that the config must have. Raises `UserError` that names the key."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        found = "lacks" if key not in config else f"has {value!r} as"
        raise UserError(f"config.json {found} {key!r}, expected a whole number of at least {least}")
    return value
