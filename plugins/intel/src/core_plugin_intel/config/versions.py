"""Which version of Neural Compressor a configuration is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core_plugin_intel.config import results, version2, version3
from core_plugin_intel.config.section import shown
from core_plugin_intel.config.translation import Translation
from hwcore.contract import UserError


def translate(node: Any) -> Translation:
    """Translate what stands in a file, whatever version it is of.

    Version 1 and 2 have the key ``quantization``, ``mixed_precision`` or ``pruning``, or the
    attributes of ``PostTrainingQuantConfig``; version 3 the names of its algorithms; results of
    a run settings of each operator. Raises `UserError` for what is none of these, for jobs that
    this plugin does not have, and for values of another kind than their key has.
    """
    if not isinstance(node, Mapping) or not all(isinstance(key, str) for key in node):
        raise UserError(
            "the configuration of Neural Compressor is no mapping of names",
            hint="It is a YAML or JSON file of version 1, 2 or 3.",
        )
    if results.is_result(node):
        return results.translate(node)
    if version2.is_yaml(node):
        return version2.from_yaml(node)
    if version3.ALGORITHMS.keys() & node.keys():
        return version3.translate(node)
    if version2.ATTRIBUTES & node.keys():
        return version2.from_attributes(node)
    raise UserError(
        f"the keys {', '.join(map(shown, sorted(node)[:5]))} are of no configuration of Neural "
        "Compressor",
        hint=f"Version 2 has 'quantization'; version 3 one of {', '.join(version3.ALGORITHMS)}.",
    )
