"""The base of all options: frozen, closed, and described in the schema by their docstrings."""

from __future__ import annotations

from pydantic import ConfigDict

from hwcore.contract import Value


class Described(Value):
    """Options of a capability; the docstring of a field becomes its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)
