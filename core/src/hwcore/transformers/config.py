"""``config.json`` and its like: small JSON files of a folder that somebody else made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hwcore.artifacts.files import refuse_endless
from hwcore.contract import UserError

MAX_JSON_BYTES = 64 << 20
"""More than any real config or shard index; a bound on what is read before it is known."""

AGAIN = "Download or save the model again."
READABLE = "Check that it is a file that you may read."
_KINDS: dict[type, str] = {
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object. Raises `UserError` that names it."""
    refuse_endless(path)
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UserError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MiB", hint=AGAIN)
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint=READABLE) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {json_problem(error)}", hint=AGAIN) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {json_kind(value)}, expected a JSON object", hint=AGAIN)
    return value


def json_kind(value: object) -> str:
    """What a value is that was read from JSON and is no object."""
    return _KINDS[type(value)]


def json_problem(error: ValueError | RecursionError) -> str:
    """What is wrong with a JSON text, in words that are not Python's own."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


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
        raise UserError(
            f"config.json {found} {key!r}, expected a whole number of at least {least}",
            hint="Mend it, or save the model again with save_pretrained().",
        )
    return value
