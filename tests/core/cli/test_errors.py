"""One sentence, a hint and an exit code for whatever goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from command import Command

from hwcore.cli.errors import guarded
from hwcore.cli.options import refuse_empty
from hwcore.cli.predict import _arrays
from hwcore.cli.stopping import Terminated
from hwcore.contract import (
    ArtifactCorrupt,
    Cancelled,
    HardwareUnavailable,
    PluginError,
    ToleranceExceeded,
    UserError,
)


def raising(error: BaseException) -> Callable[..., object]:
    def command(**settings: object) -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no", hint="yes"), 2),
        (PluginError("no", plugin="p", version="1", hook="run", hint="yes"), 3),
        (HardwareUnavailable("no", hint="yes"), 4),
        (ToleranceExceeded("no", hint="yes"), 5),
        (ArtifactCorrupt("no", hint="yes"), 6),
        (Cancelled("no", hint="yes"), 130),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
        (typer.Abort(), 130),
        (RuntimeError("no"), 1),
        (OSError(28, "No space left on device", "/disk/file"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_error_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        guarded(raising(error))
    assert ended.value.code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    sentences = [line for line in said.err.splitlines() if line.startswith("hwcore: ")]
    assert len(sentences) == 1


@pytest.mark.parametrize(("status", "code"), [(None, 0), (0, 0), (7, 7)])
def test_a_command_that_ends_well_gives_its_own(status: int | None, code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        guarded(lambda **settings: status)
    assert ended.value.code == code


def test_the_sentence_and_the_hint_are_each_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        guarded(raising(UserError("it is\n  broken", hint="mend\nit")))
    assert capsys.readouterr().err == "hwcore: it is broken\n  hint: mend it\n"


def test_a_bug_asks_to_be_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        guarded(raising(ZeroDivisionError("division by zero")))
    said = capsys.readouterr().err
    assert said.startswith("hwcore: unexpected ZeroDivisionError: division by zero\n")
    assert "hwcore --debug" in said


def test_an_end_of_file_is_no_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """Typer makes the same of both."""
    abort = typer.Abort()
    abort.__cause__ = EOFError("no data left")
    with pytest.raises(SystemExit) as ended:
        guarded(raising(abort))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("hwcore: unexpected EOFError: no data left\n")


def test_a_bug_with_much_to_say_is_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        guarded(raising(RuntimeError("x" * 5_000_000)))
    assert len(capsys.readouterr().err) < 1000


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "Check who may read and write there, or name another path."),
        (errno.ENOSPC, "Free some space, or name a path on another disk."),
        (errno.EIO, "Check the path, and the disk that it is on."),
    ],
)
def test_an_error_of_the_system_has_a_hint(
    number: int, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        guarded(raising(OSError(number, "no", "/some/file")))
    assert capsys.readouterr().err == f"hwcore: /some/file: no\n  hint: {hint}\n"


def test_debug_shows_our_traceback_and_the_plugins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["hwcore", "--debug"])
    with pytest.raises(SystemExit):
        guarded(raising(PluginError("no", plugin="p", details="line 7 of the plugin")))
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "In the plugin:\nline 7 of the plugin" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--colour"], ["No such option: --colour"]),
        (["optimise"], ["No such command 'optimise'"]),
        (["optimize"], ["Missing argument 'model'"]),
        (["optimize", "m", "--rounds", "many"], ["'--rounds'", "valid integer"]),
        (["optimize", "m", "--rounds", "1"], ["'--rounds'", "equal to 3"]),
        (["optimize", "m", "--max-drp", "1"], ["No such option: --max-drp", "--max-drop"]),
        (["plugins", "show"], ["No such command 'show'"]),
        (["cache", "prune", "--max-size", "-1"], ["'--max-size'", "equal to 0"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_answered_in_one_sentence(
    hwcore: Command, arguments: list[str], words: list[str]
) -> None:
    hwcore(*arguments).refused(2, *words, "--help` lists what there is")


def test_a_reader_that_leaves_is_no_error_to_speak_of(hwcore: Command) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hwcore", "plugins", "list", "--json"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("note", ["--option 'note' is not KEY=VALUE"]),
        ("=x", ["--option '=x' is not KEY=VALUE"]),
        ("nite=x", ["steps/int8: there is no option 'nite', did you mean 'note'?"]),
        ("note=3", ["option 'note' is 3, expected string"]),
        ("fault=dsk", ["option 'fault' is 'dsk', expected one of", "did you mean 'disk'?"]),
    ],
)
def test_a_bad_option_of_a_step_is_named(
    hwcore: Command, toy: Path, tmp_path: Path, pair: str, words: list[str]
) -> None:
    out = tmp_path / "out"
    done = hwcore("quantize", toy, "--capability", "int8", "-o", pair, "--out", out)
    done.refused(2, *words)
    assert not out.exists()


def test_an_option_that_is_json_is_taken_as_such(
    hwcore: Command, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = hwcore("quantize", toy, "--capability", "int8", "-o", 'note="3"', "--out", out, "--json")
    assert done.check().json()["lineage"][-1]["options"] == {"note": "3"}


def test_an_unknown_plugin_is_refused_with_the_nearest_name(
    hwcore: Command, toy: Path, tmp_path: Path
) -> None:
    hwcore("plugins", "info", "stps").refused(2, "there is no plugin 'stps', did you mean 'steps'?")
    done = hwcore("plugins", "info", "onnx")
    done.refused(2, "there is no plugin 'onnx', did you mean 'onnxruntime'?")
    done = hwcore("quantize", toy, "--plugin", "stps", "--out", tmp_path / "out")
    done.refused(2, "stps", "did you mean 'steps'", "Installed: ")


def test_a_hook_that_nobody_has_for_this_format(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    done = hwcore("sparsify", toy, "--out", tmp_path / "out")
    done.refused(2, "no installed plugin can sparsify a toy model", "hwcore plugins list")


def test_a_capability_has_to_be_named_where_several_fit(
    hwcore: Command, toy: Path, tmp_path: Path
) -> None:
    done = hwcore("compile", toy, "--plugin", "steps", "--out", tmp_path / "out")
    done.refused(2, "could be any of pack, off, odd", "--capability")


def test_data_columns_without_data_are_refused(hwcore: Command, tmp_path: Path) -> None:
    done = hwcore("optimize", tmp_path, "--text-column", "text")
    done.refused(2, "--text-column says something about data, but there is no --data")


@pytest.mark.parametrize("arguments", [[], ["--text", "a", "--inputs", "x.npz"]])
def test_run_takes_either_texts_or_arrays(hwcore: Command, toy: Path, arguments: list[str]) -> None:
    hwcore("run", toy, *arguments).refused(2, "give either --text or --inputs")


def test_run_says_what_is_wrong_with_its_inputs(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    absent, text = tmp_path / "absent.npz", tmp_path / "text.npz"
    text.write_text("x")
    hwcore("run", toy, "--inputs", absent).refused(2, f"{absent} is not an .npz file of arrays")
    hwcore("run", toy, "--inputs", text).refused(2, f"{text} is not an .npz file of arrays")


class TestArrays:
    """What ``run --inputs`` is given, read without starting a process."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        np.savez(tmp_path / "in.npz", x=np.zeros((64, 4), np.float32))
        return tmp_path / "in.npz"

    def refused(self, file: Path, words: str = "is not an .npz file of arrays") -> None:
        with pytest.raises(UserError, match=words) as caught:
            _arrays(file)
        assert caught.value.hint

    def test_whole(self, file: Path) -> None:
        assert list(_arrays(file)) == ["x"]

    @pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
    def test_truncated(self, file: Path, share: float) -> None:
        os.truncate(file, int(share * file.stat().st_size))
        self.refused(file)

    def test_damaged(self, file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[200] ^= 1
        file.write_bytes(content)
        self.refused(file)

    def test_one_array_without_a_name(self, tmp_path: Path) -> None:
        np.save(tmp_path / "in.npy", np.zeros(3))
        self.refused(tmp_path / "in.npy")

    def test_objects_are_not_unpickled(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "in.npz", x=np.array([{}], object))
        self.refused(tmp_path / "in.npz")

    def test_a_pipe_and_a_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        self.refused(tmp_path / "pipe", "is a pipe, expected a file")
        self.refused(Path(os.devnull), "is a device, expected a file")


def test_run_says_early_where_it_cannot_write(hwcore: Command, toy: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 4), np.float32))
    inputs = ("run", toy, "--inputs", tmp_path / "in.npz", "--out")
    absent = tmp_path / "absent" / "out.npz"
    hwcore(*inputs, absent).refused(2, f"{absent} cannot be written", "Make the folder first")
    hwcore(*inputs, tmp_path).refused(2, f"{tmp_path} is a folder", "Name a file with --out")


def test_run_does_not_wait_for_a_pipe(hwcore: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "artifact.json"
    os.mkfifo(pipe)
    hwcore("run", tmp_path, "--text", "a", timeout=30).refused(2, f"{pipe} is a pipe")


def test_a_cache_that_cannot_be_made_is_refused(hwcore: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    words = (f"the cache folder {file / 'cache'} cannot be written", "Set {} to a folder")
    done = hwcore("--cache-dir", file / "cache", "cache", "list")
    done.refused(2, words[0], words[1].format("--cache-dir"))
    done = replace(hwcore, cache=file / "cache")("cache", "list")
    done.refused(2, words[0], words[1].format("HWCORE_CACHE"))


@pytest.mark.parametrize(
    ("arguments", "empty"),
    [
        (["optimize", ""], "the argument after optimize"),
        (["optimize", "m", "--out", ""], "the argument after --out"),
        (["optimize", "m", "--study", " "], "the argument after --study"),
        (["optimize", "m", "--data="], "the value of --data"),
        (["--cache-dir=", "cache", "list"], "the value of --cache-dir"),
        (["run", "m", "--text", "", "--out", ""], "the argument after --out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_empty_argument_is_not_the_current_folder(
    hwcore: Command, tmp_path: Path, arguments: list[str], empty: str
) -> None:
    hwcore(*arguments).refused(2, f"{empty} is empty", "shell variable", "'.'")


@pytest.mark.parametrize("text", [["--text", ""], ["--text="], ["-o", "note="]])
def test_what_may_be_empty(text: list[str]) -> None:
    refuse_empty(["run", "m", *text])


def test_an_allow_list_without_names_is_refused(hwcore: Command) -> None:
    for value in ("", " ", ","):
        empty = replace(hwcore, environment={"HWCORE_PLUGINS": value})
        done = empty("plugins", "list")
        done.refused(2, "HWCORE_PLUGINS is set and names no plugin", "--no-plugins", "unset")
