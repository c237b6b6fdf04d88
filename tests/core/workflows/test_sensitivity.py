"""``hwcore sensitivity``: what it measures once, writes, and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
from dummies.feeling import LAYERS, write_feeler
from dummies.making import Events, write_plugin

from hwcore.artifacts import Cache
from hwcore.contract import UserError
from hwcore.host import PluginHost, discover
from hwcore.workflows.data import DataRequest
from hwcore.workflows.sensitivity import SensitivityFile, SensitivityRequest, sensitivity

Ask = Callable[..., SensitivityFile]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def ask(
    tmp_path: Path, tiny: Callable[..., Path], events: Events, monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """``ask(*plugins, **request)``: of a small BERT and made-up reviews, by these plugins."""
    folders = {name: write_feeler(tmp_path, name) for name in ("feeler", "other")}
    folders["plain"] = write_plugin(tmp_path, "plain", manifest="")
    for folder in folders.values():
        monkeypatch.syspath_prepend(str(folder))
    reviews = models.write_csv(tmp_path / "reviews.csv", models.reviews(20))

    def call(*plugins: str, **request: Any) -> SensitivityFile:
        plugins = plugins or ("feeler",)
        given = {"model": str(tiny("bert")), "data": DataRequest(reviews)} | request
        host = PluginHost(discover(allow=plugins), door="in-process", on_event=events.append)
        with host, host.listening(events.append):
            return sensitivity(SensitivityRequest(**given), host, Cache(tmp_path / "cache"))

    return call


def test_it_is_measured_once_for_the_same_question(ask: Ask, tmp_path: Path) -> None:
    first = ask()
    assert [layer.name for layer in first.sensitivity.layers] == list(LAYERS)
    assert (first.plugin, first.plugin_version, first.options) == ("feeler", "1.0", {})
    [kept] = (tmp_path / "cache" / "sensitivity").iterdir()
    before = (kept / "sensitivity.json").stat().st_mtime_ns
    assert ask() == first
    assert (kept / "sensitivity.json").stat().st_mtime_ns == before
    for changed in ({"options": {"rows": 3}}, {"seed": 1}):
        ask(**changed)
    ask("other")
    assert len(list((tmp_path / "cache" / "sensitivity").iterdir())) == 4


def test_a_damaged_answer_is_asked_for_again(ask: Ask, tmp_path: Path) -> None:
    first = ask()
    [kept] = (tmp_path / "cache" / "sensitivity").iterdir()
    (kept / "sensitivity.json").write_text("{")
    assert ask() == first
    assert json.loads((kept / "sensitivity.json").read_text())["plugin"] == "feeler"


def test_the_cache_says_what_it_is_of(ask: Ask, tmp_path: Path) -> None:
    ask()
    found = {entry.kind: entry.what for entry in Cache(tmp_path / "cache").entries()}
    assert found["sensitivity"].startswith("sensitivity of ")


def test_numbers_and_picture_are_written(ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    found = ask(out=out)
    assert {path.name for path in out.iterdir()} == {"sensitivity.json", "sensitivity.png"}
    assert SensitivityFile.model_validate_json((out / "sensitivity.json").read_bytes()) == found
    ask(out=out)  # again, over what it wrote before


@pytest.mark.parametrize(
    ("plugins", "request_", "message", "hint"),
    [
        ((), {"data": None}, "there is no --data", "rows like the model's real inputs"),
        (
            (),
            {"options": {"row": 3}},
            "feeler/sensitivity: there is no option 'row', did you mean 'rows'?",
            "Options: how, rows.",
        ),
        (("plain",), {}, "no installed plugin measures sensitivity", "core-plugin-torch"),
        (
            ("plain", "feeler"),
            {"plugin": "plain"},
            "plugin plain does not measure sensitivity",
            "Those that do: feeler.",
        ),
        (
            ("feeler", "other"),
            {},
            "feeler, other all measure sensitivity",
            "Choose one: --plugin feeler.",
        ),
        (
            (),
            {"plugin": "feeller"},
            "there is no plugin 'feeller', did you mean 'feeler'?",
            "Installed:",
        ),
    ],
)
def test_what_cannot_be_asked(
    ask: Ask, plugins: tuple[str, ...], request_: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        ask(*plugins, **request_)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_file_is_no_folder(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file"):
        ask(out=tmp_path / "file")


def test_an_artifact_is_refused(ask: Ask, tmp_path: Path) -> None:
    import parts

    made = parts.linear(tmp_path / "toy")
    with pytest.raises(UserError, match="is toy, not a transformers model"):
        ask(model=str(made.path))
