"""What partners copy into their CI: three files, and the workflow of a new plugin, are one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import ROOT

from hwcore.workflows.new_plugin import render
from hwcore.workflows.new_plugin.naming import names_of

CI = ROOT / "conformance" / "ci"
SCRIPT = CI / "conformance.sh"
TEMPLATE = ROOT / "core" / "src" / "hwcore" / "workflows" / "new_plugin" / "template"
ACTIONS = {
    "github.yml": (CI / "github.yml").read_text("utf-8"),
    "scaffold": render(".github/workflows/conformance.yml", names_of("acme")),
}


def steps() -> dict[str, str]:
    """The steps of the script, by the comment that heads each."""
    _, body = SCRIPT.read_text("utf-8").split('cd "${2:-.}"\n')
    found = (block.strip().partition("\n") for block in body.split("\n\n"))
    return {title.removeprefix("# "): text for title, _, text in found}


def job(text: str) -> Any:
    [found] = yaml.safe_load(text)["jobs"].values()
    return found


def test_the_script_has_steps() -> None:
    assert list(steps()) == [
        "Make an environment",
        "Build the wheel",
        "Install it, and the suite with its real model",
        "Run its own tests",
        "Run the conformance suite",
    ]


@pytest.mark.parametrize("text", ACTIONS.values(), ids=ACTIONS)
def test_the_steps_of_a_workflow_are_those_of_the_script(text: str) -> None:
    named = [step for step in job(text)["steps"] if "run" in step and "if" not in step]
    assert {step["name"]: step["run"].strip() for step in named} == steps()
    assert [step["name"] for step in named] == list(steps())


@pytest.mark.parametrize("text", ACTIONS.values(), ids=ACTIONS)
def test_a_workflow_keeps_the_report_of_a_plugin_that_fails(text: str) -> None:
    *_, summary, upload = job(text)["steps"]
    assert summary["if"].startswith("always()")
    assert "report/summary.md" in summary["run"]
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "report"


@pytest.mark.parametrize("text", ACTIONS.values(), ids=ACTIONS)
def test_a_workflow_sets_what_the_script_is_told(text: str) -> None:
    assert set(job(text)["env"]) == set(re.findall(r"\b(PLUGIN|EXTRAS)\b", SCRIPT.read_text()))


def test_the_steps_of_the_template_are_those_of_the_script() -> None:
    _, template = yaml.safe_load_all((CI / "gitlab.yml").read_text("utf-8"))
    found = template["conformance"]
    assert [step.strip() for step in found["script"]] == list(steps().values())
    assert found["artifacts"]["when"] == "always"
    assert found["artifacts"]["reports"] == {"junit": "report/junit.xml"}


def test_the_inputs_of_both_are_the_same() -> None:
    workflow = yaml.safe_load(ACTIONS["github.yml"])
    # YAML 1.1 reads the key `on` as true.
    ours = workflow[True]["workflow_call"]["inputs"]
    header, _ = yaml.safe_load_all((CI / "gitlab.yml").read_text("utf-8"))
    theirs = header["spec"]["inputs"]
    assert ours.keys() == theirs.keys() == {"plugin", "python-version", "extras"}
    for name, said in theirs.items():
        assert said["description"] == ours[name]["description"]
        assert said.get("default") == ours[name].get("default")
    for name in ours:
        assert f"inputs.{name} }}}}" in ACTIONS["github.yml"]
        assert f"inputs.{name} ]]" in (CI / "gitlab.yml").read_text("utf-8")


@pytest.mark.parametrize(
    "file",
    [
        CI / "conformance.sh",
        ROOT / "README.md",
        ROOT / "conformance" / "README.md",
        ROOT / "docs" / "plugin-author.md",
        TEMPLATE / "README.md",
        TEMPLATE / ".github" / "workflows" / "conformance.yml",
    ],
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_what_is_installed_from_a_clone_is_there(file: Path) -> None:
    lines = [line for line in file.read_text("utf-8").splitlines() if "pip " in line]
    named = re.findall(r"(?:CLONE|\s\.)/([\w./-]*\w)", "\n".join(lines))
    assert {"core", "conformance"} <= set(named)
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_script_says_how_to_call_it(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "usage: conformance.sh PLUGIN [FOLDER]" in done.stderr
    assert list(tmp_path.iterdir()) == []
