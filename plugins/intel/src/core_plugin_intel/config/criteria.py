"""Tuning in files of version 2: what may be lost, and how long to try."""

from __future__ import annotations

from collections.abc import Mapping

from core_plugin_intel.config.defaults import VERSION_2
from core_plugin_intel.config.section import Section, shown
from core_plugin_intel.config.translation import OLD_API, STATIC, TUNED, Translation

_ONLY_STATIC = "tuning is for static quantization"


def tuning(section: Section, made: Translation) -> None:
    """The section ``tuning`` of version 1."""
    accuracy(section.child("accuracy_criterion"), made)
    policy(section.child("exit_policy"), made)
    if isinstance(section.node.get("strategy"), Mapping):
        strategy = section.child("strategy")
        _strategy(strategy.word("name"), section.where("strategy"), made)
        made.rest(strategy, {"name"}, VERSION_2)
    else:
        _strategy(section.word("strategy"), section.where("strategy"), made)
    made.rest(section, {"accuracy_criterion", "exit_policy", "strategy"}, VERSION_2)


def accuracy(section: Section, made: Translation) -> None:
    """``accuracy_criterion``: asks for tuning; without a loss it is 1 %, as it is here."""
    if not section:
        return
    if made.capability != STATIC:
        made.leave(section.path, _ONLY_STATIC)
        return
    made.capability = TUNED
    kinds = [kind for kind in ("relative", "absolute") if section.node.get(kind) is not None]
    for other in kinds[:-1]:
        made.leave(section.where(other), f"{kinds[-1]} counts")
    kind = kinds[-1] if kinds else None
    criterion, loss = kind or section.word("criterion"), kind or "tolerable_loss"
    if criterion is not None:
        made.take("criterion", criterion, section.where(kind or "criterion"))
    if section.number(loss) is not None:
        made.take("tolerable_loss", section.number(loss), section.where(loss))
    if section.flag("higher_is_better") is False:
        made.leave(section.where("higher_is_better"), "a higher score is better, always")
    known = {"relative", "absolute", "criterion", "tolerable_loss", "higher_is_better"}
    made.rest(section, known, VERSION_2)


def policy(section: Section, made: Translation) -> None:
    """``exit_policy`` and ``tuning_criterion``: a bound asks for tuning; 0 seconds are none."""
    _strategy(section.word("strategy"), section.where("strategy"), made)
    known = ("max_trials", "timeout", "performance_only", "strategy")
    made.rest(section, known, VERSION_2)
    bounds = {key: section.number(key) for key in ("max_trials", "timeout")}
    if section.flag("performance_only"):
        if made.capability == TUNED:
            made.capability = STATIC
        for option in ("tolerable_loss", "criterion"):
            made.options.pop(option, None)
        return
    for key, bound in bounds.items():
        if bound is None or (key == "timeout" and not bound):
            continue
        if made.capability not in (STATIC, TUNED):
            made.leave(section.where(key), _ONLY_STATIC)
            continue
        made.capability = TUNED
        made.take(key, bound, section.where(key))


def _strategy(name: str | None, key: str, made: Translation) -> None:
    if name not in (None, "basic"):
        made.leave(key, f"{shown(name)}: {OLD_API}; int8-tuned goes by sensitivity")
