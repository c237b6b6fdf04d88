"""Check a step's options against the JSON Schema its capability declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwcore.contract import Options, PluginError, UserError
from hwcore.host.records import PluginRecord
from hwcore.host.text import did_you_mean, listing


def check_options(record: PluginRecord, capability: str, options: Options) -> None:
    """Raise `UserError` that names the option at fault and what it may be.

    A capability without a schema takes no options. Raises `PluginError` when the schema itself
    is bad.
    """
    where = f"{record.name}/{capability}"
    schema = record.schemas.get(capability)
    if schema is None:
        if options:
            raise UserError(
                f"{where} takes no options, and was given {listing(options)}",
                hint="Leave them out.",
            )
        return
    import jsonschema  # a listing of plugins does not need it

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise PluginError(
            f"the options schema of {capability} is no JSON Schema: {error.message}",
            plugin=record.name,
            version=record.version,
        ) from error
    problems = jsonschema.Draft202012Validator(schema).iter_errors(options)
    problem = min(problems, key=lambda e: (len(e.absolute_path), e.json_path), default=None)
    if problem is not None:
        raise UserError(f"{where}: {_explain(problem)}", hint=_hint(schema))


def _explain(error: Any) -> str:
    """A ``jsonschema.ValidationError`` in plain words."""
    path = ".".join(str(part) for part in error.absolute_path)
    at = f"option {path!r}" if path else "the options"
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = error.schema.get("properties", {})
        unknown = next((key for key in error.instance if key not in known), None)
        if unknown is not None:
            full = f"{path}.{unknown}" if path else unknown
            return f"there is no option {full!r}{did_you_mean(unknown, known)}"
    if error.validator == "required":
        absent = next(name for name in error.validator_value if name not in error.instance)
        return f"option {f'{path}.{absent}' if path else absent!r} is missing"
    if error.validator in ("enum", "const"):
        allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
        near = did_you_mean(str(error.instance), map(str, allowed))
        words = ", ".join(repr(value) for value in allowed)
        return f"{at} is {error.instance!r}, expected one of {words}{near}"
    if error.validator in ("anyOf", "oneOf"):
        # A value of one of the kinds that are allowed, and then wrong, is explained as such.
        closer = [e for e in error.context or () if e.validator != "type"]
        if closer:
            return _explain(closer[0])
        kinds = [str(e.validator_value) for e in error.context or ()]
        return f"{at} is {error.instance!r}, expected {' or '.join(kinds)}"
    if error.validator == "type":
        kinds = error.validator_value
        words = kinds if isinstance(kinds, str) else " or ".join(kinds)
        return f"{at} is {error.instance!r}, expected {words}"
    return f"{at}: {error.message}"


def _hint(schema: Mapping[str, Any]) -> str:
    names = schema.get("properties", {})
    return f"Options: {listing(names)}." if names else "It takes no options."
