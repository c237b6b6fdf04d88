"""The hook specs: which there are, who is asked, and that plugins may take few arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pluggy
import pytest

from hwcore.contract import HOOKS, Draft, hookimpl, hookspecs

SHARED = ("source", "capability", "options", "data", "target", "reference", "out", "ctx")


@pytest.fixture
def manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def test_there_is_a_spec_for_every_kind_of_work_and_for_what_is_none(
    manager: pluggy.PluginManager,
) -> None:
    specs = {name: caller.spec for name, caller in vars(manager.hook).items() if caller.has_spec()}
    assert set(specs) == {*HOOKS, "devices", "sensitivity"}
    for name, spec in specs.items():
        # One plugin is asked to work, or to measure; all are asked for devices.
        assert bool(spec.opts["firstresult"]) is (name != "devices")


def test_work_hooks_share_one_vocabulary(manager: pluggy.PluginManager) -> None:
    for hook in HOOKS:
        spec = getattr(manager.hook, hook).spec
        expected = ("artifact", *SHARED[1:3], "target", "ctx") if hook == "run" else SHARED
        assert tuple(spec.argnames) == expected


def test_an_implementation_takes_the_arguments_it_needs(manager: pluggy.PluginManager) -> None:
    class Plugin:
        @hookimpl
        def quantize(self, out: Path, options: dict[str, Any]) -> Draft:
            return Draft(format="toy", facts={"out": out.name, **options})

    manager.register(Plugin())
    arguments = dict.fromkeys(SHARED) | {"out": Path("there"), "options": {"bits": 4}}
    draft = manager.hook.quantize(**arguments)
    assert draft.facts == {"out": "there", "bits": 4}
