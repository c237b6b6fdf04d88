"""The names of a new plugin: checked, and what its package is called by."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from hwcore.contract import UserError
from hwcore.contract.base import Name

SUFFIX = "-hwcore"
LONGEST = 64 - len("-numpy")
"""Characters: the recipe's name, the plugin's with an ending, is a name as well."""


@dataclass(frozen=True, slots=True)
class Names:
    """What is called how in a new package."""

    plugin: str
    vendor: str

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return self.plugin + SUFFIX

    @property
    def package(self) -> str:
        """What Python imports."""
        return re.sub(r"[-_.]+", "_", self.distribution)


def names_of(plugin: str, vendor: str | None = None) -> Names:
    """Check the name of a plugin, and of its vendor, who is called like the plugin by default.

    Raises `UserError` that suggests a name that would do.
    """
    reason = _mistake(plugin)
    if reason is not None:
        near = _mended(plugin)
        hint = f"Call it {near!r}, say." if _mistake(near) is None else "Call it 'acme', say."
        raise UserError(f"a plugin cannot be called {plugin!r}: {reason}", hint=hint)
    if vendor is None:
        vendor = re.sub(r"[-_.]+", " ", plugin).title()
    if not vendor.isprintable() or not vendor.strip():
        raise UserError(
            f"a vendor cannot be called {vendor!r}: that is not one line of text",
            hint="Give its name as people write it, as in --vendor 'Acme Computing'.",
        )
    return Names(plugin, vendor.strip())


def _mistake(name: str) -> str | None:
    import yaml

    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return (
            "names are of lower-case letters, digits, '-', '_' and '.', with a letter or digit at "
            f"both ends, and of at most {LONGEST} characters"
        )
    if len(name) > LONGEST:
        return f"names are of at most {LONGEST} characters"
    if name[0].isdigit():
        return "its package would begin with a digit, and Python's packages cannot"
    if yaml.safe_load(name) != name:
        return "a recipe is a YAML file, where that is no text"
    return None


def _mended(name: str) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:LONGEST].rstrip("._-")
    return plain if plain and _mistake(plain) is None else f"plugin-{plain}"[:LONGEST]
