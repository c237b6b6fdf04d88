"""Help: every command has an example, every option says what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from command import Command, program

from hwcore._version import __version__


def commands(node: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words it is called by; groups of commands, too."""
    node = node or program()
    yield path, node
    for name, inner in getattr(node, "commands", {}).items():
        yield from commands(inner, (*path, name))


WORK = [path for path, node in commands() if not getattr(node, "commands", {})]


def test_commands_are_those_of_the_documentation() -> None:
    assert {" ".join(path) for path in WORK} == {
        "optimize",
        "export",
        "quantize",
        "sparsify",
        "sensitivity",
        "compile",
        "run",
        "bench",
        "new-plugin",
        "plugins list",
        "plugins info",
        "doctor",
        "cache list",
        "cache prune",
        "conformance run",
        "conformance list",
        "conformance verify",
        "conformance matrix",
        "conformance operators",
    }


@pytest.mark.parametrize("path", WORK, ids=" ".join)
def test_help_ends_with_an_example_of_this_command(hwcore: Command, path: tuple[str, ...]) -> None:
    done = hwcore(*path, "--help").check()
    text = " ".join(done.out.split())
    assert f"Example: hwcore {' '.join(path)} " in text
    assert done.err == ""


@pytest.mark.parametrize("path", [(), ("plugins",), ("cache",), ("conformance",)], ids=" ".join)
def test_a_group_shows_its_help_when_called_bare(hwcore: Command, path: tuple[str, ...]) -> None:
    shown, asked = hwcore(*path), hwcore(*path, "--help").check()
    assert shown.out.split() == asked.out.split()
    assert shown.err == ""
    assert shown.code == 2


def test_every_option_and_argument_is_explained() -> None:
    silent = [
        f"{' '.join(path)} {parameter.name}"
        for path, node in commands()
        for parameter in node.params
        if not getattr(parameter, "help", None)
    ]
    assert silent == []


def test_every_command_that_reports_has_json() -> None:
    without = {path for path, node in commands() if path in WORK} - {
        path for path, node in commands() if any("--json" in p.opts for p in node.params)
    }
    assert without == set()


def test_version(hwcore: Command) -> None:
    assert hwcore("--version").check().out == f"hwcore {__version__}\n"
