"""The option ``config``: what stands there, and its place among the other options."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from core_plugin_intel.config.reading import read
from core_plugin_intel.config.section import MEND, stop
from core_plugin_intel.config.translation import Translation
from core_plugin_intel.config.versions import translate
from hwcore.contract import Context, UserError, Value

_AS_ONNX: Final = {"onnx-int8": "int8-static", "onnx-int8-tuned": "int8-tuned"}
"""The rows whose models they write as ONNX."""


def resolve(options: Value, capability: str, ctx: Context) -> Value:
    """The options with those of ``config`` below them: what was said here counts more.

    Each key of the configuration that is not followed becomes a warning. Raises `UserError` if
    it cannot be read, or asks for another row than this one.
    """
    given = getattr(options, "config", None)
    if given is None:
        return options
    made = translate(given if isinstance(given, dict) else read(given))
    if made.capability != _AS_ONNX.get(capability, capability):
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
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        option = str(wrong["loc"][0])
        raise stop(made.sources.get(option, option), wrong["msg"], MEND) from error
