"""How a training goes on, stops, and ends: whatever happens to it."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recovery_steps
import torch
from recovery_steps import Result

from hwcore.contract import Artifact, Cancelled, UserError

Recover = Callable[..., Result]
PRUNE: dict[str, Any] = {
    "pattern": "1x4",
    "share": 0.75,
    "max_steps": 12,
    "evaluations": 6,
    "dropout": True,
}
"""Six checkpoints, the first three before all zeros are there, and chance in every step."""
DIVERGING: dict[str, Any] = {
    "learning_rate": 0.99,
    "hidden": 1000,
    "evaluations": 12,
    "max_steps": 12,
    "patience": None,
    "warmup": 0.0,
    "precision": "float32",
    "trainer": {"optim": "sgd", "max_grad_norm": 0},
}


def digests(result: Result) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in result.artifact.manifest.files.items()}


@pytest.mark.parametrize("capability", ["prune-recover", "qat"])
@pytest.mark.parametrize("stop", [0.3, 0.7])
def test_resumed_is_uninterrupted(
    recover: Recover, tmp_path: Path, capability: str, stop: float
) -> None:
    options = dict(PRUNE)
    if capability == "qat":
        del options["pattern"], options["share"]
        options["ranges"] = "learnt"
    whole = recover(capability, **options)
    folder = tmp_path / "checkpoints"
    with pytest.raises(Cancelled, match="the training was stopped") as raised:
        recover(capability, **options, checkpoints=str(folder), notes={"cancel_at": stop})
    last = max(int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*"))
    assert raised.value.hint == (
        f"The same command goes on from step {last}, which is kept in {folder}."
    )
    resumed = recover(capability, **options, checkpoints=str(folder))
    assert any(message.startswith("going on from ") for message, _ in resumed.notes.logged)
    assert digests(resumed) == digests(whole)
    assert resumed.outcome == whole.outcome


@pytest.mark.parametrize("stop", [0.3, 0.6])
def test_growing_zeros_are_resumed_exactly(
    source: Artifact, sparse: Result, recover: Recover, tmp_path: Path, stop: float
) -> None:
    options: dict[str, Any] = PRUNE | {
        "of": sparse.artifact,
        "reference": source,
        "share": 0.875,
        "importance": "movement",
        "distribution": "global",
        "begin": 0.2,
        "rewind": True,
    }
    whole = recover("prune-recover", **options)
    folder = str(tmp_path / "checkpoints")
    with pytest.raises(Cancelled):
        recover("prune-recover", **options, checkpoints=folder, notes={"cancel_at": stop})
    resumed = recover("prune-recover", **options, checkpoints=folder)
    assert any(message.startswith("going on from ") for message, _ in resumed.notes.logged)
    assert digests(resumed) == digests(whole)


@pytest.mark.parametrize(
    ("at", "kept", "hint"),
    [
        (0.0, True, "The same command begins anew: {} has no checkpoint yet."),
        (0.95, True, "The same command takes the result of the training, which is in {}."),
        (0.3, False, "Nothing of it is kept: -o checkpoints=FOLDER keeps the state"),
    ],
)
def test_it_says_what_is_kept(
    recover: Recover, tmp_path: Path, at: float, kept: bool, hint: str
) -> None:
    logged: list[tuple[str, str]] = []
    options = {"checkpoints": str(tmp_path / "c")} if kept else {}
    with pytest.raises(Cancelled) as raised:
        recover("prune-recover", notes={"cancel_at": at, "logged": logged}, **options)
    assert str(raised.value.hint).startswith(hint.format(tmp_path / "c"))
    assert logged == [(raised.value.hint, "warning")]


def test_a_finished_training_is_not_done_again(recover: Recover, tmp_path: Path) -> None:
    first = recover("prune-recover", checkpoints=str(tmp_path / "c"))
    again = recover("prune-recover", checkpoints=str(tmp_path / "c"))
    assert any("is over: its result is taken" in message for message, _ in again.notes.logged)
    assert digests(again) == digests(first)
    assert again.outcome == first.outcome


def test_half_a_checkpoint_is_passed_over(recover: Recover, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    whole = recover("prune-recover", **PRUNE)
    with pytest.raises(Cancelled):
        recover("prune-recover", **PRUNE, checkpoints=str(folder), notes={"cancel_at": 0.6})
    steps = sorted(int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*"))
    (folder / f"checkpoint-{steps[-1]}" / "trainer_state.json").write_text('{"cut')
    resumed = recover("prune-recover", **PRUNE, checkpoints=str(folder))
    assert any(f"checkpoint-{steps[-2]}" in message for message, _ in resumed.notes.logged)
    assert digests(resumed) == digests(whole)


def test_checkpoints_of_another_training_are_refused(recover: Recover, tmp_path: Path) -> None:
    folder = str(tmp_path / "c")
    recover("prune-recover", checkpoints=folder, max_steps=2)
    with pytest.raises(UserError, match="does not hold checkpoints of this training") as raised:
        recover("prune-recover", checkpoints=folder, max_steps=3)
    assert "Name a new folder" in str(raised.value.hint)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file"):
        recover("prune-recover", checkpoints=str(tmp_path / "file"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="does not hold checkpoints of this training"):
        recover("prune-recover", checkpoints=str(tmp_path / "full"))
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_weights_in_checkpoints_are_no_pickles(recover: Recover, tmp_path: Path) -> None:
    recover("prune-recover", checkpoints=str(tmp_path / "c"), max_steps=2)
    names = {path.name for path in (tmp_path / "c").rglob("*")}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "training_args.bin"}


def test_a_loss_that_is_no_number_keeps_the_best_model(recover: Recover) -> None:
    made = recover("qat", **DIVERGING)
    assert made.outcome["reason"].startswith("the loss is not a number any more after step ")
    assert 0 < made.outcome["step"] <= made.outcome["steps"] < 12
    [warning] = made.notes.warnings
    assert f"the model of step {made.outcome['step']} is kept, the best one" in warning


def test_a_loss_that_is_no_number_with_nothing_to_keep(recover: Recover) -> None:
    with pytest.raises(UserError, match="there is no model to keep yet") as raised:
        recover("qat", **DIVERGING | {"evaluations": 1})
    assert "Lower learning_rate" in str(raised.value.hint)


def test_no_score_is_a_number(recover: Recover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_steps, "score", lambda *rows, **how: math.nan)
    with pytest.raises(UserError, match="no score of the model is a number, and there is no"):
        recover("qat")


def test_it_stops_when_it_is_good_enough(recover: Recover) -> None:
    made = recover("qat", max_drop=0.5)
    assert made.outcome["reason"].endswith("is good enough")
    assert made.outcome["steps"] == 2


def test_it_stops_when_it_gets_no_better(recover: Recover) -> None:
    made = recover("qat", max_steps=12, evaluations=12, patience=2, learning_rate=1e-7)
    assert made.outcome["reason"] == "no better score in 2 evaluations"
    assert (made.outcome["step"], made.outcome["steps"]) == (3, 3)


def test_nothing_counts_before_all_zeros_are_there(recover: Recover) -> None:
    made = recover("prune-recover", max_steps=8, evaluations=8, max_drop=0.99, end=0.5)
    assert made.outcome["steps"] == made.outcome["step"] == 5


def test_it_says_how_good_it_is(recover: Recover) -> None:
    told = recover("prune-recover").notes.told
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert all(0 <= fraction <= 1 for fraction, _ in told)
    last = [message for _, message in told if message.startswith("step 6 of 6")]
    assert "loss 0." in last[0] or "loss 1." in last[0] or "loss 2." in last[0]
    assert "score 0." in last[0]
    assert "original 0." in last[0]


@pytest.mark.parametrize("at", [0.0, 0.2, 0.95])
def test_it_ends_when_it_is_told_to(recover: Recover, at: float) -> None:
    with pytest.raises(Cancelled):
        recover("prune-recover", notes={"cancel_at": at})


def test_the_process_is_as_it_was(recover: Recover) -> None:
    def state() -> tuple[object, ...]:
        numbers = np.random.get_state()[1]
        return (
            dict(os.environ),
            torch.get_num_threads(),
            random.getstate(),
            torch.random.get_rng_state().tolist(),
            numbers.tolist(),
        )

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = state()
        recover("qat", precision="bfloat16", max_steps=1)
        assert state() == before
    finally:
        torch.set_num_threads(threads)


def test_precision_does_not_last(recover: Recover) -> None:
    one = recover("prune-recover", precision="float32", max_steps=3)
    recover("prune-recover", precision="bfloat16", max_steps=3)
    other = recover("prune-recover", precision="float32", max_steps=3)
    assert digests(one) == digests(other)


def test_gradients_can_be_gathered(recover: Recover) -> None:
    made = recover(
        "prune-recover",
        max_steps=None,
        epochs=1,
        batch_size=4,
        trainer={"gradient_accumulation_steps": 4, "weight_decay": 0.1},
    )
    assert made.outcome["steps"] == 64 / 16


def test_nothing_is_printed(recover: Recover, capfd: pytest.CaptureFixture[str]) -> None:
    recover("prune-recover", max_steps=2)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
