"""What a configuration asks for, in the words of this plugin, and what of it cannot be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hwcore.contract import Options, UserError

Node = Mapping[str, Any]

STATIC, DYNAMIC, TUNED = "int8-static", "int8-dynamic", "int8-tuned"


@dataclass
class Translation:
    """A configuration in the words of this plugin."""

    capability: str = STATIC
    """The row that it asks for."""
    options: Options = field(default_factory=dict)
    """Of that row."""
    unused: dict[str, str] = field(default_factory=dict)
    """Each key that is not followed, by its path in the file: why."""

    def leave(self, key: str, why: str) -> None:
        """Note a key that is not followed."""
        self.unused[key] = why

    def stop(self, key: str, why: str, hint: str) -> UserError:
        """The error of a key without which the rest would be another job."""
        return UserError(f"{key} in the configuration of Neural Compressor: {why}", hint=hint)


DATA: Final = "rows and metric come from --data"
NO_YAML: Final = f"dropped in 3.0, with YAML files; {DATA}"
OLD_API: Final = "dropped in 3.8, with the API of 2.x"


def translate(node: Any) -> Translation:
    """Translate what stands in a file, whatever version it is of.

    Version 1 and 2 have the key ``quantization``, ``mixed_precision`` or ``pruning``, or the
    attributes of ``PostTrainingQuantConfig``; version 3 the names of its algorithms. Raises
    `UserError` for what is none of these, and for jobs that this plugin does not have.
    """
    from core_plugin_intel.config import version2, version3

    if not isinstance(node, Mapping) or not all(isinstance(key, str) for key in node):
        raise UserError(
            "the configuration of Neural Compressor is no mapping of names",
            hint="It is a YAML file of version 2 or 3.",
        )
    if version2.is_yaml(node):
        return version2.from_yaml(node)
    if version3.ALGORITHMS.keys() & node.keys():
        return version3.translate(node)
    if version2.ATTRIBUTES & node.keys():
        return version2.from_attributes(node)
    raise UserError(
        f"the keys {', '.join(sorted(node)[:5])} are of no configuration of Neural Compressor",
        hint=f"Version 2 has 'quantization'; version 3 one of {', '.join(version3.ALGORITHMS)}.",
    )


def first(value: Any) -> Any:
    """Where version 2 takes a list of values to try, the first."""
    return value[0] if isinstance(value, list) and value else value


def child(node: Node, key: str) -> Node:
    """A mapping within a mapping; empty where it is not there."""
    found = node.get(key)
    return found if isinstance(found, Mapping) else {}
