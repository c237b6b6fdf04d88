"""YAML files of Neural Compressor 1 and 2, and the attributes of ``PostTrainingQuantConfig``.

The sections are those of ``conf/config.py`` up to 2.6, the attributes those of ``config.py`` up
to 3.7. The file ``inc_config.json`` of optimum-intel has sections, too, with keys of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core_plugin_intel.config import criteria, operators
from core_plugin_intel.config.defaults import VERSION_2
from core_plugin_intel.config.recipes import recipes
from core_plugin_intel.config.section import MEND, Node, Section, shown, stop
from core_plugin_intel.config.translation import (
    DATA,
    DYNAMIC,
    HALF,
    NO_YAML,
    OLD_API,
    STATIC,
    Translation,
)
from core_plugin_intel.config.weights import RTN

SECTIONS: Final = frozenset(
    {"quantization", "mixed_precision", "graph_optimization", "pruning", "distillation"}
    | {"auto_distillation", "nas", "model_conversion", "tuning"}
)
ATTRIBUTES: Final = frozenset(
    {"approach", "op_name_dict", "op_type_dict", "recipes", "accuracy_criterion"}
    | {"tuning_criterion", "calibration_sampling_size", "quant_level", "excluded_precisions"}
)

_HALF: Final = ("mixed_precision", "graph_optimization")
_OTHER: Final = {
    "pruning": "Sparsify first: hwcore sparsify.",
    "distillation": "Distil with hwcore quantize --recover.",
    "auto_distillation": "Distil with hwcore quantize --recover.",
    "nas": "Choose the architecture first.",
    "model_conversion": "Train with hwcore quantize --recover.",
}
"""Jobs that are none of this plugin, and where to turn."""
_AROUND: Final = ("model", "evaluation", "version", "device")
_WRITTEN: Final = frozenset(
    {"neural_compressor_version", "optimum_version", "torch_version", "transformers_version"}
)
"""What optimum-intel notes, and asks for nothing with."""
_APPROACHES: Final = {
    "post_training_static_quant": STATIC,
    "static": STATIC,
    "post_training_auto_quant": STATIC,
    "auto": STATIC,
    "post_training_dynamic_quant": DYNAMIC,
    "dynamic": DYNAMIC,
    "weight_only": RTN,
}


def is_yaml(node: Node) -> bool:
    """True for a file with sections; version 3 has an algorithm by the name of one of them."""
    shared = node.get("mixed_precision")
    old = isinstance(shared, Mapping) and "precisions" in shared
    return old or bool((SECTIONS - {"mixed_precision"}) & node.keys())


def from_yaml(node: Node) -> Translation:
    """Translate a file with sections. Raises `UserError` for other jobs than quantization."""
    section, made = Section(node), Translation()
    for job, hint in _OTHER.items():
        if node.get(job):
            raise stop(job, OLD_API, hint)
    halves = [job for job in _HALF if node.get(job)]
    if halves and not node.get("quantization"):
        _half(section.child(halves.pop(0)), made)
    else:
        _quantization(section.child("quantization"), made)
    for job in halves:
        made.leave(job, "a step does one job, and this is another")
    criteria.tuning(section.child("tuning"), made)
    for key in _AROUND:
        if key in node:
            made.leave(key, NO_YAML)
    made.rest(section, SECTIONS | _WRITTEN | {*_AROUND}, VERSION_2)
    return made


def from_attributes(node: Node) -> Translation:
    """Translate the attributes of ``PostTrainingQuantConfig``."""
    section, made = Section(node), Translation()
    _approach(section, made)
    operators.by_type(section.child("op_type_dict"), made)
    operators.by_name(section.child("op_name_dict"), made)
    _sampling(section, "calibration_sampling_size", made)
    recipes(section.child("recipes"), made)
    criteria.accuracy(section.child("accuracy_criterion"), made)
    criteria.policy(section.child("tuning_criterion"), made)
    excluded = set(section.words("excluded_precisions"))
    if excluded - {"bf16", "fp16"} or ("bf16" in excluded and "bf16_layers" in made.options):
        why = "what the file names is in bfloat16, and nothing else"
        made.leave(section.where("excluded_precisions"), why)
    made.rest(section, ATTRIBUTES - {"quant_level"}, VERSION_2)
    return made


def _half(section: Section, made: Translation) -> None:
    made.capability = HALF
    precisions = section.words("precisions")
    if "bf16" not in precisions:
        raise stop(
            section.where("precisions"),
            f"{shown(precisions)} has no bf16",
            "The row bf16 is for bfloat16.",
        )
    if "fp16" in precisions:
        made.leave(section.where("precisions"), "fp16 cannot be had beside bf16")
    if section.node.get("op_wise"):
        made.leave(section.where("op_wise"), "name the layers in float_layers")
    made.rest(section, {"precisions", "op_wise"}, VERSION_2)


def _quantization(section: Section, made: Translation) -> None:
    _approach(section, made)
    if section.node.get("model_wise"):
        operators.everywhere(section.child("model_wise"), made)
    operators.by_type(section.child("optype_wise"), made)
    operators.by_name(section.child("op_wise"), made)
    calibration = section.child("calibration")
    _sampling(calibration, "sampling_size", made)
    made.rest(calibration, {"sampling_size"}, VERSION_2, DATA)
    _sampling(section, "dataset_num_samples", made)
    recipes(section.child("recipes"), made)
    known = {"approach", "is_static", "model_wise", "optype_wise", "op_wise", "calibration"}
    made.rest(section, known | {"dataset_num_samples", "recipes"}, VERSION_2)


def _approach(section: Section, made: Translation) -> None:
    """``approach``, or ``is_static`` of optimum-intel."""
    value, key = section.word("approach"), section.where("approach")
    if value is None:
        made.capability = DYNAMIC if section.flag("is_static") is False else STATIC
        return
    if value in ("quant_aware_training", "quantization_aware_training"):
        raise stop(
            key, f"{value} of int8 was dropped in 3.8", "Train with hwcore quantize --recover."
        )
    if value not in _APPROACHES:
        raise stop(key, f"{shown(value)} is none of {', '.join(_APPROACHES)}", MEND)
    made.capability = _APPROACHES[value]
    if "auto" in value:
        made.leave(key, f"{value} is taken as static")


def _sampling(section: Section, key: str, made: Translation) -> None:
    size, where = section.number(key), section.where(key)
    if size is None:
        return
    if made.has("calibration_sampling_size"):
        made.take("calibration_sampling_size", size, where)
    else:
        made.leave(where, f"{made.capability} reads no rows")
