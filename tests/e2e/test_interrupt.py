"""Ctrl-C and SIGTERM: the command stops at once and cleanly; the same one goes on where it was."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import Command, Done, leftovers, sketching
from optimizing import DROP, QUICK, wait_for

from hwcore.artifacts import read_artifact
from hwcore.cli.stopping import Terminated

STOPPED = (
    "hwcore: stopped\n"
    "  hint: Finished steps are kept in the cache: the same command goes on from there.\n"
)


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

both_signals = pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)


def interrupt(
    process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT, *, times: int = 1
) -> Done:
    """Press Ctrl-C, or send another signal, to this process alone; wait for the end."""
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


@both_signals
def test_in_mid_step(bert: Path, reviews: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    slow = sketching(tmp_path / "cache", HWSKETCH_PAUSE="60")
    arguments = ("optimize", bert, "--data", reviews, *DROP, *QUICK, "--out", out)
    process = slow.start(*arguments)
    wait_for(lambda: list(slow.cache.glob("tmp/*/work/words.npy")))
    began = time.monotonic()
    done = interrupt(process, number)
    assert time.monotonic() - began < 10
    assert done.code == CODES[number]
    assert done.err.endswith(STOPPED)
    assert "Traceback" not in done.err
    assert slow.orphans() == []
    assert slow.unfinished() == []
    assert leftovers(out) == []
    sketching(tmp_path / "cache")(*arguments).check()
    assert leftovers(out) == ["out"]


@both_signals
def test_while_much_data_is_read(
    sketch: Command, bert: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Gigabytes take minutes to hash, in threads that must not outlive the wish to stop."""
    with (tmp_path / "much.csv").open("wb") as stream:
        stream.truncate(256 << 30)  # sparse
    process = sketch.start("optimize", bert, "--data", tmp_path / "much.csv", *QUICK)
    wait_for(lambda: (sketch.cache / "tmp").exists())
    time.sleep(1)  # the model is read in less
    began = time.monotonic()
    done = interrupt(process, number)
    assert time.monotonic() - began < 10
    assert done.code == CODES[number]
    assert done.err.endswith(STOPPED)
    assert sketch.orphans() == []
    assert sketch.unfinished() == []


def test_with_a_real_engine_at_work(
    hwcore: Command, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    """While OpenVINO's worker exports: deep in a library that knows nothing of Ctrl-C."""
    out = tmp_path / "out"
    arguments = ("optimize", bert, "--data", reviews, "--recipe", "openvino-fp32", *DROP, *QUICK)
    process = hwcore.start(*arguments, "--out", out)
    wait_for(lambda: list(hwcore.cache.glob("tmp/*/work/*")) or len(hwcore.processes()) > 2)
    done = interrupt(process)
    assert done.code == 130
    assert done.err.endswith(STOPPED)
    assert hwcore.orphans() == []
    assert hwcore.unfinished() == []
    assert leftovers(out) == []


@pytest.mark.parametrize("seed", range(4))
def test_at_any_moment(
    bert: Path, reviews: Path, tmp_path: Path, uninterrupted: float, seed: int
) -> None:
    hwcore = sketching(tmp_path / "cache", HWSKETCH_PAUSE="0.2")
    out = tmp_path / "out"
    process = hwcore.start("optimize", bert, "--data", reviews, *DROP, *QUICK, "--out", out)
    wait_for(lambda: (hwcore.cache / "tmp").exists())  # past the interpreter's own start
    time.sleep(random.Random(seed).uniform(0, 0.9 * uninterrupted))  # noqa: S311
    done = interrupt(process)
    assert "Traceback" not in done.err
    assert hwcore.orphans() == []
    assert hwcore.unfinished() == []
    if done.code in (0, -signal.SIGINT):  # it was faster; the interpreter may have been ending
        assert leftovers(out) == ["out"]
    else:
        assert done.code == 130
        assert done.err.endswith(STOPPED)
        assert leftovers(out) in ([], ["out"])  # which may have been finished just before
    if out.exists():
        read_artifact(out, verify=True)


@both_signals
def test_impatiently(bert: Path, reviews: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The second one finds the command cleaning up."""
    slow = sketching(tmp_path / "cache", HWSKETCH_PAUSE="60")
    process = slow.start("optimize", bert, "--data", reviews, *DROP, *QUICK)
    wait_for(lambda: list(slow.cache.glob("tmp/*/work/words.npy")))
    done = interrupt(process, number, times=2)
    assert done.code == CODES[number]
    assert "Traceback" not in done.err
    assert slow.orphans() == []


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_while_the_commands_are_being_imported(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[BaseException],
    code: int,
) -> None:
    from hwcore.cli import app, main, stopping

    def impatient() -> None:
        raise error

    monkeypatch.setattr(app, "run", impatient)
    monkeypatch.setattr(stopping, "clean_up_on_sigterm", lambda: None)  # not in the tests' process
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err == "hwcore: stopped\n"


@pytest.fixture(scope="module")
def uninterrupted(bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that the command takes when nobody stops it."""
    hwcore = sketching(tmp_path_factory.mktemp("whole") / "cache", HWSKETCH_PAUSE="0.2")
    began = time.monotonic()
    hwcore("optimize", bert, "--data", reviews, *DROP, *QUICK).check()
    return time.monotonic() - began
