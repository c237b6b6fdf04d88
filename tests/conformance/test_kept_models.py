"""The folder of models: of one seed and one suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwcore.contract import UserError
from hwcore_conformance.kept_models import STAMP, claim


def test_a_folder_belongs_to_its_first_seed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "models"
    claim(folder, 7)
    (folder / "bert").mkdir()
    claim(folder, 7)
    with pytest.raises(UserError, match="holds models of the seed 7, and this run's is 999") as no:
        claim(folder, 999)
    assert no.value.hint == "Name another folder with --models, or --seed 7."
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("key", ["suite", "making"])
def test_models_of_another_suite_are_refused(tmp_path: Path, key: str) -> None:
    claim(tmp_path, 7)
    stamp = tmp_path / STAMP
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {key: "0.0.1"}))
    with pytest.raises(UserError, match=r"holds models that hwcore-conformance .* made otherwise"):
        claim(tmp_path, 7)


@pytest.mark.parametrize("text", ["", "[" * 4000, '{"seed": 7}', '{"seed": "7"}', "\0"])
def test_junk_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / STAMP).write_text(text)
    with pytest.raises(UserError, match=r"models\.json does not say what the models"):
        claim(tmp_path, 7)


def test_what_cannot_hold_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(UserError, match="is no folder"):
            claim(tmp_path / name, 7)
    with pytest.raises(UserError, match="holds something that is no models of a run"):
        claim(tmp_path, 7)
    with pytest.raises(UserError, match="cannot be written"):
        claim(Path("/proc/models"), 7)
