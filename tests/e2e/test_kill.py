"""``kill -9`` at random moments: at most the step in flight is lost, and nothing else happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import Command, sketching
from optimizing import DROP, QUICK, wait_for

from hwcore.artifacts import read_artifact
from hwcore.workflows.study import STUDY, read_study

TIMES, MANY_TIMES = 5, 50

Make = Callable[[Path], Command]


@dataclass(frozen=True)
class Whole:
    """What a command that nobody killed came to."""

    seconds: float
    steps: dict[str, str]
    """Digest of the artifact of each step, by the step's key."""
    trials: dict[str, str]
    """Digest of the artifact of each trial, by the trial's id."""


def sketch(cache: Path) -> Command:
    """Steps of a fifth of a second, whose files are half-written for most of it."""
    return sketching(cache, HWSKETCH_PAUSE="0.2")


def whole(make: Make, arguments: tuple[object, ...], home: Path) -> Whole:
    """Run it undisturbed."""
    hwcore = make(home / "cache")
    began = time.monotonic()
    study = hwcore(*arguments, "--json").check().json()
    return Whole(time.monotonic() - began, steps_in(hwcore), artifacts_of(study))


@pytest.fixture(scope="module")
def arguments(bert: Path, reviews: Path) -> tuple[object, ...]:
    return ("optimize", bert, "--data", reviews, *DROP, *QUICK)


@pytest.fixture(scope="module")
def sketched(arguments: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(sketch, arguments, tmp_path_factory.mktemp("sketched"))


@pytest.fixture(scope="module")
def real_arguments(arguments: tuple[object, ...]) -> tuple[object, ...]:
    return (*arguments, "--recipe", "openvino-int8")


@pytest.fixture(scope="module")
def real(real_arguments: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole(Command, real_arguments, tmp_path_factory.mktemp("real"))


@pytest.mark.parametrize("seed", range(TIMES))
def test_a_killed_optimize_goes_on(
    sketched: Whole, arguments: tuple[object, ...], tmp_path: Path, seed: int
) -> None:
    kill_and_go_on(sketch(tmp_path / "cache"), arguments, sketched, tmp_path, seed)


def test_a_killed_optimize_with_real_engines_goes_on(
    real: Whole, real_arguments: tuple[object, ...], tmp_path: Path
) -> None:
    kill_and_go_on(Command(tmp_path / "cache"), real_arguments, real, tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, MANY_TIMES + 1))
def test_a_killed_optimize_with_real_engines_goes_on_every_time(
    real: Whole, real_arguments: tuple[object, ...], tmp_path: Path, seed: int
) -> None:
    kill_and_go_on(Command(tmp_path / "cache"), real_arguments, real, tmp_path, seed)


def test_what_a_killed_command_left_is_pruned_and_what_a_living_one_needs_is_not(
    arguments: tuple[object, ...], tmp_path: Path
) -> None:
    slow = sketching(tmp_path / "cache", HWSKETCH_PAUSE="60")
    process = slow.start(*arguments)
    try:
        wait_for(lambda: list(slow.cache.glob("tmp/*/work/words.npy")))
        age(slow)
        slow("cache", "prune").check()
        assert len(slow.unfinished()) == 2
    finally:
        process.kill()
        process.communicate()
    assert slow.orphans() == []
    slow("cache", "prune").check()
    assert slow.unfinished() == []


def age(hwcore: Command) -> None:
    """Make workspaces older than those that a command may be about to lock."""
    for folder in hwcore.unfinished():
        os.utime(folder, (0, 0))


def kill_and_go_on(
    hwcore: Command, arguments: tuple[object, ...], expected: Whole, tmp_path: Path, seed: int
) -> None:
    out, study = tmp_path / "out", tmp_path / "study"
    arguments = (*arguments, "--out", out, "--study", study, "--json")
    moment = random.Random(seed).uniform(0.02, 0.98) * expected.seconds  # noqa: S311
    process = hwcore.start(*arguments)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0)

    assert hwcore.orphans() == [], "a worker outlived the command"
    finished = stamps(hwcore)
    for key, digest in steps_in(hwcore).items():
        assert digest == expected.steps[key]
    # The workspace of the model's manifest lasts as long as the command; one more is the step's.
    assert len(hwcore.unfinished()) <= 2
    if (study / STUDY).exists():
        read_study(study)
    # The result may be there before the command has ended; it is whole or not there.
    assert out.exists() or process.returncode != 0
    if out.exists():
        assert read_artifact(out, verify=True).digest in expected.trials.values()

    again = hwcore(*arguments).check().json()
    assert stamps(hwcore).items() >= finished.items(), "a finished step was run again"
    assert steps_in(hwcore) == expected.steps
    assert artifacts_of(again) == expected.trials
    assert {trial["state"] for trial in again["trials"]} == {"measured"}
    assert read_artifact(out, verify=True).digest in expected.trials.values()
    assert hwcore.orphans() == []


def artifacts_of(study: dict[str, Any]) -> dict[str, str]:
    return {trial["id"]: trial["artifact"] for trial in study["trials"]}


def steps_in(hwcore: Command) -> dict[str, str]:
    """Digest of each finished step; every byte of it is read."""
    folder = hwcore.cache / "steps"
    return {key: read_artifact(folder / key, verify=True).digest for key in hwcore.steps()}


def stamps(hwcore: Command) -> dict[str, tuple[int, int]]:
    """What tells whether a step was made again: its manifest's inode and time."""
    folder = hwcore.cache / "steps"
    stats = {key: (folder / key / "artifact.json").stat() for key in hwcore.steps()}
    return {key: (stat.st_ino, stat.st_mtime_ns) for key, stat in stats.items()}
