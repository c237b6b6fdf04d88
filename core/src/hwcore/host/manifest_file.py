"""Read a plugin's ``hwcore-plugin.toml`` and what lies beside it; say what is wrong with it."""

from __future__ import annotations

import json
import re
import tomllib
import types
import typing
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, ValidationError

from hwcore.contract import CONTRACT_VERSION, Manifest
from hwcore.host.text import did_you_mean


class ManifestError(Exception):
    """The manifest, or a file it names, is bad; the message names file and key."""


class ContractMismatch(Exception):
    """The plugin was made for other versions of the contract."""


def read_manifest(path: Path) -> tuple[Manifest, dict[str, dict[str, Any]]]:
    """The manifest and the options schema of each capability.

    Raises `ManifestError`, and `ContractMismatch` when the contract range leaves us out; that is
    looked at first, for a later contract may have keys that this one does not know.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: {error}") from error
    _check_contract(path, table.get("contract"))
    try:
        manifest = Manifest.model_validate(table)
    except ValidationError as error:
        raise ManifestError(f"{path}: {_explain(error, Manifest)}") from error
    for name in (*manifest.recipes, *filter(None, [manifest.options])):
        if not (path.parent / name).is_file():
            raise ManifestError(f"{path}: it names the file {name!r}, which is not in the package")
    schemas = _read_schemas(path, manifest)
    _check_keeps(path, manifest, schemas)
    return manifest, schemas


def _check_contract(path: Path, spec: object) -> None:
    if not isinstance(spec, str):
        return  # missing or of another type: the model's validation says so
    try:
        accepted = _specifiers(spec).contains(Version(CONTRACT_VERSION), prereleases=True)
    except InvalidSpecifier as error:
        raise ManifestError(
            f"{path}: key 'contract' is {spec!r}, expected a range such as '>=1,<2'"
        ) from error
    if not accepted:
        raise ContractMismatch(
            f"it was made for contract {spec}, this core has contract {CONTRACT_VERSION}"
        )


@lru_cache(maxsize=32)
def _specifiers(spec: str) -> SpecifierSet:
    return SpecifierSet(spec)


def _read_schemas(path: Path, manifest: Manifest) -> dict[str, dict[str, Any]]:
    if manifest.options is None:
        return {}
    file = path.parent / manifest.options
    try:
        schemas = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{file}: {error}") from error
    if not isinstance(schemas, dict):
        raise ManifestError(f"{file}: expected an object that maps capability ids to JSON Schemas")
    ids = [row.id for row in manifest.capabilities]
    if manifest.sensitivity:
        ids.append("sensitivity")
    for key, schema in schemas.items():
        if key not in ids:
            raise ManifestError(f"{file}: key {key!r} is no capability{did_you_mean(key, ids)}")
        if not isinstance(schema, dict):
            raise ManifestError(f"{file}: key {key!r} is no JSON Schema object")
    return schemas


def _check_keeps(path: Path, manifest: Manifest, schemas: dict[str, dict[str, Any]]) -> None:
    for row in manifest.capabilities:
        known = schemas.get(row.id, {}).get("properties", {})
        if row.keeps is not None and row.keeps not in known:
            raise ManifestError(
                f"{path}: capability {row.id} has keeps = {row.keeps!r}, which is no option of it"
                f"{did_you_mean(row.keeps, list(known))}"
            )


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One sentence on the most telling problem: an unknown key explains a missing one."""
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    key = _dotted(location)
    if problem["type"] == "extra_forbidden":
        near = did_you_mean(str(location[-1]), _keys_at(model, location[:-1]))
        return f"unknown key {key!r}{near}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    expected = re.findall(r"'([^']+)'", str(problem.get("ctx", {}).get("expected", "")))
    near = did_you_mean(str(problem["input"]), expected)
    return f"key {key!r} is {problem['input']!r}: {message[0].lower()}{message[1:]}{near}"


def _dotted(location: tuple[int | str, ...]) -> str:
    """``("capabilities", 0, "hook")`` as ``capabilities[0].hook``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields that the table at ``location`` may have."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``Model | None``, ``tuple[Model, ...]`` and the like."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
