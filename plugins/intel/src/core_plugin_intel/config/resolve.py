"""The option ``config``: where the file is, and its place among the other options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from core_plugin_intel.config.translation import Translation, translate
from core_plugin_intel.libraries import NOISY
from hwcore.contract import Context, UserError, Value
from hwcore.vendor import quiet

HUB_FILES = ("best_configure.yaml", "inc_config.yaml", "neural_compressor.yaml", "qconfig.json")
"""What a model on the hub that Neural Compressor made may call it."""
MAX_BYTES = 1 << 20


def resolve(options: Value, capability: str, ctx: Context) -> Value:
    """The options with those of ``config`` below them: what was said here counts more.

    Each key of the configuration that is not followed becomes a warning. Raises `UserError` if
    it cannot be read, or asks for another row than this one.
    """
    given = getattr(options, "config", None)
    if given is None:
        return options
    made = translate(given if isinstance(given, dict) else read(given))
    wanted = "int8-static" if capability == "onnx-int8" else capability
    if made.capability != wanted:
        raise UserError(
            f"the configuration asks for {made.capability}, and this step is {capability}",
            hint=f"Use the capability {made.capability}.",
        )
    for key, why in made.unused.items():
        ctx.log(f"{key} of Neural Compressor's configuration is not used: {why}", "warning")
    return merged(options, made)


def merged(options: Value, made: Translation) -> Value:
    """Options with a translation's below them. Raises `UserError` for values that cannot be."""
    said = {key: getattr(options, key) for key in options.model_fields_set if key != "config"}
    try:
        return type(options).model_validate(made.options | said)
    except ValueError as error:
        raise UserError(
            f"the configuration of Neural Compressor cannot be followed: {_first(error)}",
            hint="Mend the value, or leave it out.",
        ) from error


def read(place: str) -> Any:
    """What stands in a local file, or in that of a model on the hub.

    Raises `UserError` if it is not there or is no YAML.
    """
    path = Path(place).expanduser()
    path = path if path.is_file() else _fetch(place)
    if path.stat().st_size > MAX_BYTES:
        raise UserError(
            f"{place} has {path.stat().st_size} bytes, expected at most {MAX_BYTES}",
            hint="Name the YAML file of Neural Compressor.",
        )
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"{place} is no YAML file: {_first(error)}", hint="Mend it, or name another."
        ) from error


def _fetch(place: str) -> Path:
    """A file of a model on the hub: the one that is named, or the first of the usual ones."""
    model, _, file = place.partition(":")
    missing = UserError(
        f"there is no file {place!r} here, and no model of that name with a configuration of "
        "Neural Compressor can be had from the hub",
        hint="Name a local YAML file, or owner/name:file of the hub.",
    )
    if (place.endswith((".yaml", ".yml", ".json")) and not file) or model.count("/") > 1:
        raise missing
    with quiet(*NOISY, "huggingface_hub"):
        from transformers.utils import cached_file

        for name in (file,) if file else HUB_FILES:
            try:
                found = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
            except (OSError, ValueError) as error:
                raise missing from error
            if found is not None:
                return Path(found)
    raise missing


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
