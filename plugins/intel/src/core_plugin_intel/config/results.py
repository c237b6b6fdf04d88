"""What Neural Compressor wrote beside a model that it made: the settings of each operator.

They are read as the configuration that gives them: those of the first linear layer in few bits
are everyone's, and the others that differ are set apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from core_plugin_intel.config import version2, version3
from core_plugin_intel.config.section import Node, Section, shown, stop
from core_plugin_intel.config.translation import FLOAT, Translation

_NAMED: Final = re.compile(r"\('(?P<name>.+)', '(?P<kind>.+)'\)")
"""A key of version 3's ``qconfig.json``: a pair, as Python writes it."""
_LINEAR: Final = "Linear"
_OTHERS: Final = "of operators, linear layers alone are read from a result"
_CONFIGURATION: Final = "Name the configuration that the model was made with."


def is_result(node: Node) -> bool:
    """True for ``best_configure.yaml`` of version 2 and for ``qconfig.json`` of version 3."""
    return "op" in node or any(_NAMED.fullmatch(key) for key in node)


def translate(node: Node) -> Translation:
    """Translate the settings of every operator. Raises `UserError` if none is a linear layer."""
    return _version2(node) if "op" in node else _version3(node)


def _version2(node: Node) -> Translation:
    """Operators are under ``op`` by name and type; ``bf16_ops_list`` has those in bfloat16."""
    layers: dict[str, Node] = {}
    others = False
    operators = node["op"] if isinstance(node["op"], Mapping) else {}
    for key, value in operators.items():
        name, kind = _pair(key, "op")
        section = Section(value, f"op.{name}")
        if kind == _LINEAR:
            layers[name] = section.node
        else:
            others = others or not _is_float(section)
    halves = node.get("bf16_ops_list") or []
    for key in halves if isinstance(halves, list | tuple) else [halves]:
        name, kind = _pair(key, "bf16_ops_list")
        if kind == _LINEAR:
            layers[name] = {"weight": {"dtype": "bf16"}, "activation": {"dtype": "bf16"}}
    common, apart = _divided(layers, "op")
    rest = {key: value for key, value in node.items() if key not in _TRANSLATED}
    made = version2.from_attributes(
        rest
        | {
            "calibration_sampling_size": node.get("calib_sampling_size"),
            "op_type_dict": {_LINEAR: common},
            "op_name_dict": apart,
        }
    )
    if others:
        made.leave("op", _OTHERS)
    return made


_TRANSLATED: Final = frozenset({"op", "bf16_ops_list", "calib_sampling_size", "framework"})


def _version3(node: Node) -> Translation:
    """Each key names an operator, and has an algorithm with its settings."""
    layers: dict[str, Node] = {}
    algorithms: set[str] = set()
    unused: dict[str, str] = {}
    for key, value in node.items():
        found, section = _NAMED.fullmatch(key), Section(value, key)
        if found is None or found["kind"] != _LINEAR:
            unused[key] = _OTHERS
            continue
        for algorithm in section:
            algorithms.add(algorithm)
            layers[found["name"]] = section.child(algorithm).node
    if len(algorithms) != 1 or not algorithms <= version3.ALGORITHMS.keys():
        raise stop(
            shown(next(iter(node))),
            f"layers of a result have one algorithm, and not {shown(sorted(algorithms))}",
            _CONFIGURATION,
        )
    common, apart = _divided(layers, shown(next(iter(node))))
    made = version3.translate({algorithms.pop(): {"global": common, "local": apart}})
    made.unused.update(unused)
    return made


def _pair(key: Any, where: str) -> tuple[str, str]:
    if isinstance(key, list | tuple) and len(key) == 2:
        name, kind = key
        if isinstance(name, str) and isinstance(kind, str):
            return name, kind
    raise stop(where, f"{shown(key)} is no name and type of an operator", _CONFIGURATION)


def _divided(layers: Mapping[str, Node], where: str) -> tuple[Node, dict[str, Node]]:
    """Settings that all layers have, and those of the layers that have others."""
    rounded = [node for name, node in layers.items() if not _is_float(Section(node, name))]
    if not rounded:
        raise stop(where, "it has no linear layer in few bits", _CONFIGURATION)
    return rounded[0], {name: node for name, node in layers.items() if node != rounded[0]}


def _is_float(settings: Section) -> bool:
    """True for an operator any of whose tensors is in floating point."""
    sections = [settings, settings.child("weight"), settings.child("activation")]
    keys = ("dtype", "w_dtype", "act_dtype")
    return bool({section.word(key) for section in sections for key in keys} & FLOAT)
