"""Plugins that are at fault: shown with the reason, left out, and blamed where they are chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command import SKETCH, Command, leftovers
from dummies.making import write_plugin
from optimizing import DROP, QUICK

EXPORT = """
[[capabilities]]
id = "graph"
hook = "export"
inputs = [{ format = "transformers" }]
output = { format = "sketch" }
lossless = true
"""

RECIPE = """\
name: {name}-plan
steps:
  - {{ hook: export, plugin: {name}, capability: graph }}
  - {{ hook: run, plugin: sketch, capability: numpy }}
"""

HOOK = """\
import os, time
from hwcore.contract import hookimpl

@hookimpl
def export(source, out, ctx):
    {does}
"""

RAISES = "raise RuntimeError('no licence was found')\n"


@pytest.fixture
def bad(tmp_path: Path) -> Command:
    """The command with a plugin that works, and one of each kind that does not."""
    late = 'name = "late"\nvendor = "v"\nsummary = "s"\ncontract = ">=9"\n'
    stolen = 'name = "openvino"\nvendor = "v"\nsummary = "s"\ncontract = ">=1,<2"\n'
    folders = (
        plugin(tmp_path, "raises", code=RAISES, manifest="devices = true\n"),
        write_plugin(tmp_path, "typo", manifest='lisence = "MIT"\n'),
        write_plugin(tmp_path, "late", manifest=late),
        write_plugin(tmp_path, "thief", manifest=stolen),
    )
    names = "sketch,raises,typo,late,thief"
    return Command(tmp_path / "cache", {"HWCORE_PLUGINS": names}, (SKETCH, *folders))


REASONS = {
    "typo": ("broken", "unknown key 'lisence', did you mean 'licences'?"),
    "late": ("incompatible", "it was made for contract >=9, this core has contract 1.1"),
    "thief": ("broken", "its entry point is called 'thief' and its manifest 'openvino'"),
}
"""State and reason of those that show their fault without being loaded."""


def test_the_list_shows_them_with_the_reason(bad: Command) -> None:
    rows = {row["name"]: row for row in bad("plugins", "list", "--json").check().json()}
    for name, (state, reason) in REASONS.items():
        assert rows[name]["state"] == state
        assert reason in rows[name]["reason"]
        assert f"To do without {name}: HWCORE_PLUGINS=" in rows[name]["reason"]
    assert rows["raises"]["state"] == "found", "a listing loads no plugin"
    text = " ".join(bad("plugins", "list").check().out.split())
    for _, reason in REASONS.values():
        assert reason in text


def test_the_doctor_shows_them_with_the_reason(bad: Command) -> None:
    report = bad("doctor", "--json").check().json()
    plugins = {row["name"]: row for row in report["plugins"]}
    reasons = {**REASONS, "raises": ("broken", "RuntimeError: no licence was found")}
    for name, (state, reason) in reasons.items():
        assert plugins[name]["state"] == state
        assert reason in plugins[name]["reason"]
        assert any(advice.startswith(f"{name} is {state}: ") for advice in report["advice"])
    assert plugins["sketch"]["state"] == "found"
    text = bad("doctor").check()
    assert "no licence was found" in " ".join(text.out.split())
    assert "Traceback" not in text.err


def test_optimize_goes_on_without_them(
    bad: Command, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    arguments = ("optimize", bert, "--data", reviews, *DROP, *QUICK)
    done = bad(*arguments, "--out", tmp_path / "out", "--study", tmp_path / "study").check()
    assert "raises-plan: plugin raises 1.0" in done.out
    assert "RuntimeError: no licence was found" in done.out
    assert "sketch-fp32" in done.out
    assert (tmp_path / "out" / "artifact.json").exists()
    study = bad(*arguments, "--study", tmp_path / "study", "--json").check().json()
    states = {trial["plan"]["name"]: trial["state"] for trial in study["trials"]}
    assert states == {
        "sketch-plain": "measured",
        "sketch-fp32": "measured",
        "sketch-int8": "measured",
        "raises-plan": "failed",
    }


def test_the_chosen_plugin_is_blamed(bad: Command, bert: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bad("export", bert, "--plugin", "raises", "--out", out)
    done.refused(
        3,
        "plugin raises 1.0, hook export: its code does not load",
        "RuntimeError: no licence was found",
        "To do without raises: HWCORE_PLUGINS=",
    )
    for name, (state, reason) in REASONS.items():
        done = bad("export", bert, "--plugin", name, "--out", out)
        done.refused(2, f"plugin {name} is {state}: ", reason, "HWCORE_PLUGINS=")
    assert leftovers(out) == []
    assert bad.unfinished() == []


def test_a_chosen_recipe_that_fails_is_no_success(bad: Command, bert: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bad("optimize", bert, "--recipe", "raises-plan", *QUICK, "--out", out)
    done.refused(3, "no plan worked on this machine", "no licence was found", "--again")
    assert leftovers(out) == []
    assert bad.unfinished() == []


def test_debug_shows_the_plugins_own_traceback(bad: Command, bert: Path, tmp_path: Path) -> None:
    done = bad("--debug", "export", bert, "--plugin", "raises", "--out", tmp_path / "out")
    assert done.code == 3
    assert "hwdummy_raises/plugin.py" in done.err
    assert "raise RuntimeError('no licence was found')" in done.err


def test_two_of_one_name_are_refused_naming_both(
    sketch: Command, bert: Path, tmp_path: Path
) -> None:
    twin = plugin(tmp_path, "sketch", distribution="sketch-pro")
    twins = replace(sketch, plugins=(*sketch.plugins, twin))
    for arguments in (("plugins", "list"), ("doctor",), ("optimize", bert)):
        twins(*arguments).refused(
            2,
            "hwsketch 1.0.0",
            "sketch-pro 1.0",
            "both bring a plugin called 'sketch'",
            "pip uninstall hwsketch",
            "pip uninstall sketch-pro",
        )


FAULTS = {
    "crashes": (HOOK.format(does="os.abort()"), "SIGABRT"),
    "hangs": (HOOK.format(does="time.sleep(1000)"), "longer than the limit of 8 s and was killed"),
    "babbles": (HOOK.format(does="return 'done'"), "it returned str and not a Draft"),
    "misnames": (HOOK.format(does="pass").replace("out, ctx", "outt, ctx"), "outt"),
    "invents": (HOOK.format(does="pass").replace("def export", "def exprt"), "which is no hook"),
}
"""Plugins whose manifest is fine and whose code is not, and what is said of each."""


def test_a_step_that_fails_is_one_plans_failure(
    sketch: Command, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    folders = [plugin(tmp_path, name, code=code) for name, (code, _) in FAULTS.items()]
    hwcore = replace(
        sketch,
        environment={"HWCORE_PLUGINS": ",".join(["sketch", *FAULTS])},
        plugins=(*sketch.plugins, *folders),
    )
    arguments = ("--data", reviews, *DROP, *QUICK, "--step-seconds", 8, "--json")
    study = hwcore("optimize", bert, *arguments).check().json()
    errors = {t["plan"]["name"]: t["error"] for t in study["trials"] if t["state"] == "failed"}
    assert errors.keys() == {f"{name}-plan" for name in FAULTS}
    for name, (_, message) in FAULTS.items():
        error = errors[f"{name}-plan"]
        assert error.startswith(f"plugin {name} 1.0, hook export: ")
        assert message in error
    assert study["recommended"]
    assert hwcore.orphans() == []
    assert hwcore.unfinished() == []


def plugin(root: Path, name: str, *, code: str = "", manifest: str = "", **how: str) -> Path:
    """A plugin with an export, and a recipe that has it followed by the sketch's engine."""
    folder = write_plugin(
        root, name, code=code, manifest=f'{manifest}recipes = ["recipe.yaml"]\n{EXPORT}', **how
    )
    package = folder / f"hwdummy_{name}"
    (package / "recipe.yaml").write_text(RECIPE.format(name=name))
    return folder
