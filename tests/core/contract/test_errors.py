"""The tree of errors: messages, hints, exit codes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import core_plugin_intel
import core_plugin_onnxruntime
import core_plugin_openvino
import core_plugin_torch
import hwcore
from hwcore import contract
from hwcore.contract import (
    ArtifactCorrupt,
    Cancelled,
    HardwareUnavailable,
    HwcoreError,
    PluginError,
    ToleranceExceeded,
    UserError,
)

CODES = {
    HwcoreError: 1,
    UserError: 2,
    PluginError: 3,
    HardwareUnavailable: 4,
    ToleranceExceeded: 5,
    ArtifactCorrupt: 6,
    Cancelled: 130,
}


def test_every_error_of_the_contract_has_an_exit_code_of_its_own() -> None:
    public = {getattr(contract, name) for name in contract.__all__}
    errors = {kind for kind in public if isinstance(kind, type) and issubclass(kind, Exception)}
    assert {kind: kind.exit_code for kind in errors} == CODES
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize("kind", CODES)
def test_message_and_hint(kind: type[HwcoreError]) -> None:
    error = kind("it broke", hint="Mend it.")
    assert isinstance(error, HwcoreError)
    assert str(error) == error.message == "it broke"
    assert error.hint == "Mend it."
    assert kind("it broke").hint is None


@pytest.mark.parametrize(
    ("blame", "message"),
    [
        ({}, "it broke"),
        ({"plugin": "acme"}, "plugin acme: it broke"),
        ({"plugin": "acme", "version": "1.2"}, "plugin acme 1.2: it broke"),
        (
            {"plugin": "acme", "version": "1.2", "hook": "quantize"},
            "plugin acme 1.2, hook quantize: it broke",
        ),
        ({"hook": "quantize"}, "it broke"),
    ],
)
def test_a_plugin_error_says_who_did_it(blame: dict[str, str], message: str) -> None:
    error = PluginError("it broke", hint="Do without it.", details="Traceback …", **blame)
    assert error.message == message
    assert error.reason == "it broke"
    assert error.details == "Traceback …"
    assert (error.plugin, error.version, error.hook) == tuple(
        blame.get(key) for key in ("plugin", "version", "hook")
    )


ROOMS = [
    *(Path(hwcore.__path__[0]) / room for room in ("artifacts", "contract", "data", "evaluate")),
    *(Path(hwcore.__path__[0]) / room for room in ("pipeline", "transformers")),
    *(
        Path(p.__path__[0])
        for p in (core_plugin_onnxruntime, core_plugin_openvino, core_plugin_intel)
    ),
    Path(core_plugin_torch.__path__[0]),
]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_what_is_wrong_with_input_or_files_comes_with_a_hint(room: Path) -> None:
    """A user can do something about both."""
    bare = [
        f"{file.name}:{node.lineno}"
        for file in room.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("UserError", "ArtifactCorrupt")
        and "hint" not in {keyword.arg for keyword in node.keywords}
    ]
    assert bare == []
