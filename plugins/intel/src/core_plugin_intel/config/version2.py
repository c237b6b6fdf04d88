"""YAML files of Neural Compressor 1 and 2, and the attributes of ``PostTrainingQuantConfig``.

The sections are those of ``conf/config.py`` up to 2.6, the attributes those of ``config.py`` up
to 3.7.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from core_plugin_intel.config.translation import (
    DATA,
    DYNAMIC,
    NO_YAML,
    OLD_API,
    STATIC,
    TUNED,
    Node,
    Translation,
    child,
    first,
)

SECTIONS: Final = frozenset(
    {"quantization", "mixed_precision", "graph_optimization", "pruning", "distillation"}
    | {"auto_distillation", "nas", "model_conversion", "tuning"}
)
ATTRIBUTES: Final = frozenset(
    {"approach", "op_name_dict", "op_type_dict", "recipes", "accuracy_criterion"}
    | {"tuning_criterion", "calibration_sampling_size", "quant_level", "excluded_precisions"}
)

_APPROACHES: Final = {
    "post_training_static_quant": STATIC,
    "static": STATIC,
    "post_training_dynamic_quant": DYNAMIC,
    "dynamic": DYNAMIC,
}
_FLOAT: Final = frozenset({"fp32", "bf16", "fp16"})


def is_yaml(node: Node) -> bool:
    """True for a file with sections; version 3 has an algorithm by the name of one of them."""
    shared = "mixed_precision"
    return bool((SECTIONS - {shared}) & node.keys()) or "precisions" in child(node, shared)


def from_yaml(node: Node) -> Translation:
    """Translate a file with sections. Raises `UserError` for other jobs than quantization."""
    made = Translation()
    for job, what in (
        ("pruning", "Sparsify first: hwcore sparsify."),
        ("distillation", "Distil with hwcore quantize --recover."),
        ("auto_distillation", "Distil with hwcore quantize --recover."),
        ("nas", "Choose the architecture first."),
        ("model_conversion", "Train with hwcore quantize --recover."),
    ):
        if node.get(job):
            raise made.stop(job, OLD_API, what)
    if not node.get("quantization") and (
        node.get("mixed_precision") or node.get("graph_optimization")
    ):
        return _half(node, made)
    _quantization(child(node, "quantization"), made)
    _tuning(child(node, "tuning"), "tuning.", made)
    for key in ("model", "evaluation", "version", "device"):
        if key in node:
            made.leave(key, NO_YAML)
    _rest(node, SECTIONS | {"model", "evaluation", "version", "device"}, "", made)
    return made


def from_attributes(node: Node) -> Translation:
    """Translate the attributes of ``PostTrainingQuantConfig``."""
    made = Translation()
    _approach(node.get("approach"), "approach", made)
    _sampling(node, "calibration_sampling_size", "calibration_sampling_size", made)
    _operators(child(node, "op_type_dict"), "op_type_dict", made, types=True)
    _operators(child(node, "op_name_dict"), "op_name_dict", made, types=False)
    _recipes(child(node, "recipes"), "recipes.", made)
    _criteria(child(node, "accuracy_criterion"), "accuracy_criterion.", made)
    _policy(child(node, "tuning_criterion"), "tuning_criterion.", made)
    known = {"approach", "calibration_sampling_size", "op_type_dict", "op_name_dict", "recipes"}
    _rest(node, known | {"accuracy_criterion", "tuning_criterion"}, "", made)
    return made


def _half(node: Node, made: Translation) -> Translation:
    made.capability = "bf16"
    job = "mixed_precision" if node.get("mixed_precision") else "graph_optimization"
    section = child(node, job)
    asked = section.get("precisions", [])
    precisions = [asked] if isinstance(asked, str) else list(asked)
    if "bf16" not in " ".join(map(str, precisions)):
        raise made.stop(
            f"{job}.precisions", f"{precisions} has no bf16", "The row bf16 is for bfloat16."
        )
    if section.get("op_wise"):
        made.leave(f"{job}.op_wise", "name the layers in float_layers")
    _rest(node, {job, "quantization"}, "", made)
    return made


def _quantization(section: Node, made: Translation) -> None:
    _approach(section.get("approach"), "quantization.approach", made)
    calibration = child(section, "calibration")
    _sampling(calibration, "sampling_size", "quantization.calibration.sampling_size", made)
    _rest(calibration, {"sampling_size"}, "quantization.calibration.", made, DATA)
    model_wise = child(section, "model_wise")
    _tensors(model_wise, "quantization.model_wise", made)
    for key, types in (("optype_wise", True), ("op_wise", False)):
        _operators(child(section, key), f"quantization.{key}", made, types=types)
    _recipes(child(section, "recipes"), "quantization.recipes.", made)
    known = {"approach", "calibration", "model_wise", "optype_wise", "op_wise", "recipes"}
    _rest(section, known, "quantization.", made)


def _approach(value: Any, key: str, made: Translation) -> None:
    if value is None:
        return
    if value in ("quant_aware_training", "quantization_aware_training"):
        raise made.stop(
            key, f"{value} of int8 was dropped in 3.8", "Train with hwcore quantize --recover."
        )
    if value == "weight_only":
        raise made.stop(
            key, "its algorithms are rows of their own here", "Use int4-rtn, int4-gptq or int4-awq."
        )
    if value not in _APPROACHES:
        known = ", ".join(_APPROACHES)
        raise made.stop(key, f"{value!r} is none of {known}", "Mend the file.")
    made.capability = _APPROACHES[value]


def _sampling(section: Node, key: str, path: str, made: Translation) -> None:
    value = section.get(key)
    if value is None:
        return
    size = first(value if not isinstance(value, str) else value.replace(",", " ").split())
    if made.capability == DYNAMIC:
        made.leave(path, "dynamic quantization reads no rows")
    else:
        made.options["calibration_sampling_size"] = int(size)


def _tensors(section: Node, path: str, made: Translation) -> None:
    """``weight`` and ``activation``: granularity, scheme, dtype, algorithm."""
    weight, activation = child(section, "weight"), child(section, "activation")
    for key in weight:
        value, where = first(weight[key]), f"{path}.weight.{key}"
        match key, value:
            case "granularity", "per_channel" | "per_tensor":
                made.options["w_granularity"] = value
            case ("scheme", "sym") | ("dtype", "int8") | ("algorithm", "minmax") | ("bit", 7 | 7.0):
                pass  # as it is here
            case _, _:
                made.leave(where, f"{value} cannot be had; weights are symmetric int8")
    static = made.capability == STATIC
    for key in activation:
        value, where = first(activation[key]), f"{path}.activation.{key}"
        match key, value:
            case "dtype", "uint8" | "int8":
                made.options["act_dtype"] = value
            case "scheme", "sym" | "asym" if static:
                made.options["act_sym"] = value == "sym"
            case "algorithm", "minmax" | "kl" if static:
                made.options["act_algo"] = value
            case ("granularity", "per_tensor") | ("scheme", "asym"):
                pass
            case "algorithm" | "compute_dtype", _:
                made.leave(where, "ranges of dynamic quantization are those of each call")
            case _, _:
                made.leave(where, f"{value} cannot be had; activations are int8 per tensor")


def _operators(section: Node, path: str, made: Translation, *, types: bool) -> None:
    """Operators that are set apart: those in floating point become lists of layers."""
    for name, settings in section.items():
        settings = settings if isinstance(settings, Mapping) else {}
        dtypes = {first(child(settings, part).get("dtype")) for part in ("weight", "activation")}
        found = dtypes & _FLOAT
        where = f"{path}.{name}"
        if not found:
            made.leave(where, "operators can be left in floating point, and not be set apart")
        elif types:
            if name.lower() == "linear":
                made.options["float_layers"] = [".*"]
            else:
                made.leave(where, "only linear layers can be named here")
        else:
            half = "bf16" in found and made.capability == STATIC
            key = "bf16_layers" if half else "float_layers"
            layers = made.options.setdefault(key, [])
            assert isinstance(layers, list)  # noqa: S101 - it was made here
            layers.append(name)


def _recipes(section: Node, path: str, made: Translation) -> None:
    for key, value in section.items():
        if key == "smooth_quant":
            if value and made.capability == STATIC:
                alpha = child(section, "smooth_quant_args").get("alpha", 0.5)
                numeric = isinstance(alpha, int | float)
                made.options["smooth_alpha"] = float(alpha) if numeric else 0.5
                if not numeric:
                    made.leave(f"{path}smooth_quant_args.alpha", f"{alpha} is taken as 0.5")
            elif value:
                made.leave(f"{path}{key}", "smoothing is for static quantization")
        elif key == "smooth_quant_args":
            _rest(child(section, key), {"alpha"}, f"{path}{key}.", made)
        elif value:
            made.leave(f"{path}{key}", OLD_API)


def _tuning(section: Node, path: str, made: Translation) -> None:
    _criteria(child(section, "accuracy_criterion"), f"{path}accuracy_criterion.", made)
    _policy(child(section, "exit_policy"), f"{path}exit_policy.", made)
    if "strategy" in section:
        name = child(section, "strategy").get("name", section["strategy"])
        made.leave(f"{path}strategy", f"{name}: {OLD_API}; int8-tuned goes by sensitivity")
    known = {"accuracy_criterion", "exit_policy", "strategy"}
    _rest(section, known, path, made)


def _criteria(section: Node, path: str, made: Translation) -> None:
    """A loss that is bounded asks for tuning."""
    criterion = section.get("criterion")
    loss = section.get("tolerable_loss")
    for kind in ("relative", "absolute"):
        if kind in section:
            criterion, loss = kind, section[kind]
    if isinstance(loss, str):
        loss = float(loss.rstrip("%")) / 100 if loss.endswith("%") else float(loss)
    if section.get("higher_is_better") is False:
        made.leave(f"{path}higher_is_better", "a higher score is better, always")
    if loss is None:
        return
    if made.capability == DYNAMIC:
        made.leave(path.rstrip("."), "tuning is for static quantization")
        return
    made.capability = TUNED
    made.options["tolerable_loss"] = float(loss)
    if criterion:
        made.options["criterion"] = str(criterion)


def _policy(section: Node, path: str, made: Translation) -> None:
    if section.get("performance_only"):
        made.capability = STATIC if made.capability == TUNED else made.capability
        for key in ("tolerable_loss", "criterion"):
            made.options.pop(key, None)
    tuned = made.capability == TUNED
    for key, value in section.items():
        if key == "max_trials" and tuned:
            made.options["max_trials"] = int(value)
        elif key == "timeout" and tuned:
            if value:
                made.options["timeout"] = float(value)
        elif key not in ("max_trials", "timeout", "performance_only"):
            made.leave(f"{path}{key}", OLD_API)


def _rest(
    section: Node, known: Collection[str], path: str, made: Translation, why: str = OLD_API
) -> None:
    """What has no place of its own. Values that say nothing are passed over."""
    for key, value in section.items():
        if key not in known and value not in (None, {}, [], "", False):
            made.leave(f"{path}{key}", why)
