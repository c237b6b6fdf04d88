"""Whatever a plugin does to the process that it is checked in: a record, and the rest goes on."""

from __future__ import annotations

import json
import py_compile
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from hwcore.contract import UserError
from hwcore_conformance import process
from hwcore_conformance.clause import Clause
from hwcore_conformance.clauses import ALL
from hwcore_conformance.states import Record, State
from hwcore_conformance.suite import Suite, run

MODEL = "bert-feature-extraction"
SEED = 3
SILENCE = 8.0
"""Longer than a room takes to start on a busy machine."""
TOKEN = f"left-by-{uuid.uuid4().hex}"
"""In the command line of every process that these plugins start."""

HEAD = """\
name = "odd"
vendor = "Odd"
summary = "Does odd things."
contract = ">=1,<2"
telemetry = "none"
"""
ROW = """
[[capabilities]]
id = "{id}"
hook = "export"
summary = "Is odd."
inputs = [{{ format = "transformers" }}]
output = {{ format = "odd" }}
tasks = ["feature-extraction"]
lossless = true
"""
CODE = '''\
"""The plugin."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np

from hwcore.contract import Draft, hookimpl


def daemon(**more):
    """A process of another session, without variables and parent."""
    if os.fork() == 0:
        os.setsid()
        command = [sys.executable, "-c", "import time; time.sleep(600)", {token!r}]
        subprocess.Popen(command, **more)
        os._exit(0)
    os.wait()


@hookimpl
def export(capability, out):
    if capability == "good":
        os.getcwd(), os.environ["HOME"], os.fstat(1), os.fstat(2)
        sys.stdout.write("")
        assert np.geterr()["divide"] == "warn" and sys.getrecursionlimit() >= 1000
{branches}
    (out / "model.bin").write_bytes(b"odd")
    return Draft(format="odd")
'''

Records = Mapping[tuple[str, str], Record]
"""By clause and capability."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd-models")
    (folder / MODEL / "model").mkdir(parents=True)  # what a run that was stopped has left
    making = [sys.executable, "-m", "hwcore_conformance.making", str(folder), str(SEED), MODEL]
    subprocess.run(making, check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After every test: no process that a plugin has started, and no room."""
    yield
    assert left() == []


def left() -> list[str]:
    """Processes of the plugins and rooms of these tests, once they had time to be gone."""
    deadline = time.monotonic() + 3
    while True:
        found = [line for line in map(command_line, psutil.process_iter()) if mine(line)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def mine(line: str) -> bool:
    return TOKEN in line or ("hwcore_conformance.warden" in line and '"plugin": "odd"' in line)


def command_line(found: psutil.Process) -> str:
    try:
        return " ".join(found.cmdline())
    except psutil.Error:
        return ""


Install = Callable[[dict[str, str]], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``install(doing)``: the plugin, with a capability for each key that does as its value says,
    and a good one after them."""

    def put(doing: dict[str, str]) -> Path:
        site = tmp_path / "site"
        branches = "".join(
            f"    if capability == {id!r}:\n        {code.replace(chr(10), chr(10) + ' ' * 8)}\n"
            for id, code in doing.items()
        )
        write(
            site,
            HEAD + "".join(ROW.format(id=id) for id in (*doing, "good")),
            CODE.format(token=TOKEN, branches=branches),
        )
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", str(site))
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        monkeypatch.setenv("HWCORE_PLUGINS", "odd")
        return site

    return put


def write(site: Path, manifest: str, code: str) -> None:
    package, info = site / "odd_plugin", site / "odd-1.0.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text("[hwcore.plugins]\nodd = odd_plugin\n")
    (package / "hwcore-plugin.toml").write_text(manifest)
    (package / "__init__.py").write_text(code)


def clauses(*ids: str) -> list[Clause]:
    return [clause for clause in ALL if clause.id in ids]


def records(
    tmp_path: Path, models: Path, *ids: str, silence: float = 60
) -> dict[tuple[str, str], Record]:
    work = tmp_path / "work"
    work.mkdir()
    with Suite("odd", work, seed=SEED, families=["bert"], models=models, silence=silence) as suite:
        return {(r.clause, r.capability): r for r in run(suite, clauses(*ids))}


def the_good_one_is_checked(found: Records) -> None:
    of_good = [record for (_, capability), record in found.items() if capability == "good"]
    assert of_good
    assert {record.state for record in of_good} <= {State.PASS, State.NOT_APPLICABLE}


def test_a_plugin_that_ends_the_process_loses_its_capability(
    install: Install, tmp_path: Path, models: Path
) -> None:
    endings = {
        "exits": "os._exit(3)",
        "says": 'os.write(2, b"loading\\nlicence expired\\n")\nos._exit(1)',
        "crashes": "ctypes.string_at(0)",
        "kills": "os.kill(os.getpid(), signal.SIGKILL)",
        "kills-all": "os.killpg(0, signal.SIGKILL)",
        "kills-above": "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)",
        "closes-all": "os.closerange(3, 256)",
        "interrupts": "raise KeyboardInterrupt",
    }
    messages = {
        "exits": "it ended the process with status 3, during export exits of odd on " + MODEL,
        "says": f"status 1, during export says of odd on {MODEL}, saying 'licence expired'",
        "crashes": "it ended the process by SIGSEGV",
        "kills": "it ended the process by SIGKILL",
        "kills-all": "it ended the process by SIGKILL",
        "kills-above": "it ended the process by SIGKILL",
        "closes-all": "it ended the process with status 1",
        "interrupts": "it ended the process",
    }
    install(endings)
    found = records(tmp_path, models, "EXP-001", "ART-001", "PRC-002")
    for capability, message in messages.items():
        lost = found["ART-001", capability]
        assert lost.state is State.FAIL
        assert message in lost.message
        assert lost.hint
        for later in ("EXP-001", "PRC-002"):
            record = found[later, capability]
            assert record.state is State.UNTESTABLE
            assert record.message == f"{lost.message} in ART-001"
            assert record.seconds < 0.1  # not tried again
    assert found["ART-001", "good"].state is State.PASS
    assert found["PRC-002", "good"].state is State.PASS


PIPE = """\
import fcntl
for fd in range(3, 256):
    try:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:") and (
            fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        ):
            break
    except OSError:
        pass
"""
"""What finds the file that the room answers through."""


def test_a_plugin_that_closes_the_suites_files_and_goes_on_is_ended(
    install: Install, tmp_path: Path, models: Path
) -> None:
    install({"closes": "os.closerange(3, 256)\ntime.sleep(600)"})
    found = records(tmp_path, models, "ART-001", "PRC-005")
    lost = found["ART-001", "closes"]
    assert lost.state is State.FAIL
    assert lost.message == f"it closed a file of the suite, during export closes of odd on {MODEL}"
    assert lost.seconds < 3 * process.PATIENCE
    the_good_one_is_checked(found)


def test_a_plugin_cannot_answer_for_the_suite(
    install: Install, tmp_path: Path, models: Path
) -> None:
    outcome = {"state": "PASS", "seconds": 1.0, "measured": {}}
    forged = json.dumps({"word": "0" * 32, "outcome": outcome})
    wordless = json.dumps({"outcome": outcome})
    writes = {
        "byte": 'os.write(fd, b"x")',
        "line": 'os.write(fd, b"hello\\n")',
        "forged": f"os.write(fd, b'{forged}\\n')",
        "wordless": f"os.write(fd, b'{wordless}\\n')",
        "deep": 'os.write(fd, b"[" * 60000 + b"\\n")',
        "much": 'while True: os.write(fd, b"x" * 4096)',
    }
    install({capability: PIPE + code for capability, code in writes.items()})
    found = records(tmp_path, models, "ART-001", "PRC-005")
    for capability in writes:
        lost = found["ART-001", capability]
        assert lost.state is State.FAIL, capability
        assert lost.message.startswith("it wrote to a file of the suite"), capability
    the_good_one_is_checked(found)


def test_bytes_without_an_end_are_no_sign_of_life(
    install: Install, tmp_path: Path, models: Path
) -> None:
    install({"drips": PIPE + 'while True:\n    os.write(fd, b"x")\n    time.sleep(0.01)'})
    found = records(tmp_path, models, "ART-001", silence=SILENCE)
    lost = found["ART-001", "drips"]
    assert lost.message.startswith("it took more than 8 s")
    assert lost.seconds < SILENCE + 4


@pytest.mark.parametrize("planted_is_used", [True, False])
def test_planted_bytecode_is_not_used_where_modules_are_compiled_anew(
    install: Install, tmp_path: Path, models: Path, planted_is_used: bool
) -> None:
    """Bytecode that says not to look at the source, of a plugin that does something else."""
    code = install({}) / "odd_plugin" / "__init__.py"
    honest = code.read_text()
    code.write_text(honest.replace('b"odd"', 'b""').replace('format="odd"', 'format="other"'))
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(code), invalidation_mode=unchecked, doraise=True)
    code.write_text(honest)
    work = tmp_path / "work"
    work.mkdir()
    with Suite(
        *("odd", work),
        seed=SEED,
        families=["bert"],
        models=models,
        compiled_anew=not planted_is_used,
    ) as suite:
        [found] = run(suite, clauses("ART-001"))
    assert (found.state is State.PASS) is not planted_is_used, found.message


def test_rooms_are_reached_where_standard_streams_are_closed(
    install: Install, tmp_path: Path, models: Path
) -> None:
    install({})
    work = tmp_path / "work"
    work.mkdir()
    script = f"""\
import os
from pathlib import Path
os.closerange(0, 2)
from hwcore_conformance.clauses import ALL
from hwcore_conformance.suite import Suite, run

with Suite("odd", Path({str(work)!r}), seed={SEED}, families=["bert"],
           models=Path({str(models)!r})) as suite:
    found = list(run(suite, [clause for clause in ALL if clause.id == "ART-001"]))
os.write(2, found[0].state.encode())
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, check=True)
    assert done.stderr.endswith(b"PASS"), done.stderr


def test_sys_exit_is_an_error_like_others(install: Install, tmp_path: Path, models: Path) -> None:
    install({"exits": "sys.exit(2)"})
    found = records(tmp_path, models, "ART-001", "PRC-005")
    failed = found["ART-001", "exits"]
    assert failed.state is State.FAIL
    assert "it tried to end the process (SystemExit: 2)" in failed.message
    the_good_one_is_checked(found)


def test_a_plugin_that_hangs_is_ended(install: Install, tmp_path: Path, models: Path) -> None:
    hang = """\
daemon(env={})
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
    install({"hangs": hang})
    found = records(tmp_path, models, "ART-001", "PRC-005", silence=SILENCE)
    lost = found["ART-001", "hangs"]
    assert lost.state is State.FAIL
    assert lost.message == f"it took more than 8 s, during export hangs of odd on {MODEL}"
    assert lost.seconds < SILENCE + 4
    assert found["PRC-005", "hangs"].state is State.UNTESTABLE
    the_good_one_is_checked(found)


def test_lost_in_a_clause_about_something_else_it_is_untestable(
    install: Install, tmp_path: Path, models: Path
) -> None:
    install({"crashes": 'if os.path.exists("/proc/self/cwd/once"): os._exit(4)\nopen("once", "w")'})
    found = records(tmp_path, models, "ART-001", "PRC-002", "PRC-005")
    assert found["ART-001", "crashes"].state is State.PASS
    lost = found["PRC-002", "crashes"]
    assert lost.state is State.UNTESTABLE
    assert "it ended the process with status 4" in lost.message
    assert found["PRC-005", "crashes"].message == f"{lost.message} in PRC-002"
    the_good_one_is_checked(found)


def test_what_it_does_to_its_process_is_told_and_put_back(
    install: Install, tmp_path: Path, models: Path
) -> None:
    changes = {
        "closes-output": ("sys.stdout.close()", "sys.stdout"),
        "closes-file": ("os.close(1); os.close(2)", "standard output, standard error"),
        "replaces": ("sys.stdout = object()", "sys.stdout"),
        "removes": ('del os.environ["HOME"]', "the variable HOME"),
        "clears": ("os.environ.clear()", "the variable HWCORE_CONFORMANCE_ROOM"),
        "leaves": ("os.chdir(out); shutil.rmtree(out); out.mkdir()", "the current folder"),
        "strict": ('np.seterr(all="raise")', "the error handling of numpy"),
        "shallow": ("sys.setrecursionlimit(300)", "the limit of recursion"),
    }
    install({capability: code for capability, (code, _) in changes.items()})
    found = records(tmp_path, models, "ART-001", "ART-007", "SAF-004")
    for capability, (_, what) in changes.items():
        assert found["ART-001", capability].state is State.PASS
        assert found["ART-007", capability].state is State.PASS
        failed = found["SAF-004", capability]
        assert failed.state is State.FAIL
        assert failed.message.startswith("it changes ")
        for name in what.split(", "):
            assert name in failed.message
    the_good_one_is_checked(found)


def test_megabytes_of_output_do_no_harm(install: Install, tmp_path: Path, models: Path) -> None:
    install({"prints": 'print("x" * (8 << 20))\nprint("y" * (8 << 20), file=sys.stderr)'})
    found = records(tmp_path, models, "ART-001", "ART-003", "PRC-005")
    assert found["ART-001", "prints"].state is State.PASS
    assert found["ART-003", "prints"].state is State.PASS
    printed = found["PRC-005", "prints"]
    assert printed.state is State.FAIL
    assert printed.message.startswith("it writes 8388609 bytes to standard output: 'xxx")
    assert len(printed.message) < 200
    the_good_one_is_checked(found)


def test_an_error_of_megabytes_is_cut(install: Install, tmp_path: Path, models: Path) -> None:
    install({"refuses": 'from hwcore.contract import UserError\nraise UserError("x" * (4 << 20))'})
    found = records(tmp_path, models, "ART-001")
    assert found["ART-001", "refuses"].state is State.FAIL
    assert len(found["ART-001", "refuses"].message) <= 4000


def test_a_plugin_that_fills_the_disk_is_ended(
    install: Install, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = """\
with open(out / "huge", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, 1 << 30)
time.sleep(600)
"""
    install({"fills": fill})
    monkeypatch.setattr(process, "SPACE", shutil.disk_usage(tmp_path).free - (1 << 29))
    found = records(tmp_path, models, "ART-001", "PRC-005")
    lost = found["ART-001", "fills"]
    assert lost.state is State.FAIL
    assert lost.message == f"it filled the disk, during export fills of odd on {MODEL}"
    assert found["PRC-005", "fills"].state is State.UNTESTABLE
    the_good_one_is_checked(found)  # what the other wrote is gone


def test_a_full_disk_is_not_the_plugins_fault(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install({})
    monkeypatch.setattr(process, "SPACE", 1 << 62)
    with pytest.raises(UserError, match=r"the disk of .* has no gigabyte left"):
        Suite("odd", tmp_path)


def test_no_process_outlives_the_run(install: Install, tmp_path: Path, models: Path) -> None:
    install(
        {
            "leaves": "daemon()",
            "leaves-bare": "daemon(env={}, close_fds=False, start_new_session=True)",
            "leaves-and-dies": "daemon(env={}, close_fds=False)\nos._exit(1)",
        }
    )
    found = records(tmp_path, models, "ART-001", "PRC-004")
    for capability in ("leaves", "leaves-bare"):
        assert found["PRC-004", capability].state is State.FAIL
        assert TOKEN in found["PRC-004", capability].message
    assert "status 1" in found["ART-001", "leaves-and-dies"].message
    the_good_one_is_checked(found)
    assert left() == []


def test_a_suite_that_is_killed_leaves_nothing(
    install: Install, tmp_path: Path, models: Path
) -> None:
    install({"hangs": 'daemon(env={})\nopen(out.parents[2] / "hangs", "w")\ntime.sleep(600)'})
    work = tmp_path / "work"
    work.mkdir()
    script = f"""\
from pathlib import Path
from hwcore_conformance.clauses import ALL
from hwcore_conformance.suite import Suite, run

with Suite("odd", Path({str(work)!r}), seed={SEED}, families=["bert"],
           models=Path({str(models)!r})) as suite:
    list(run(suite, [clause for clause in ALL if clause.id == "ART-001"]))
"""
    suite = subprocess.Popen([sys.executable, "-c", script])
    try:
        deadline = time.monotonic() + 60
        while not list(work.rglob("hangs")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(work.rglob("hangs"))
        assert any(TOKEN in command_line(found) for found in psutil.process_iter())
    finally:
        suite.kill()
        suite.wait()
    assert left() == []


def test_an_unknown_plugin_is_named_with_those_that_there_are(
    install: Install, tmp_path: Path
) -> None:
    install({})
    with pytest.raises(UserError, match=r"odds") as caught:
        Suite("odds", tmp_path)
    assert "'odd'" in f"{caught.value} {caught.value.hint}"


def test_a_broken_manifest_is_a_record(install: Install, tmp_path: Path, models: Path) -> None:
    site = install({})
    manifest = site / "odd_plugin" / "hwcore-plugin.toml"
    manifest.write_text(manifest.read_text().replace('vendor = "Odd"', "vendor = 7"))
    work = tmp_path / "work"
    work.mkdir()
    with Suite("odd", work, seed=SEED, families=["bert"], models=models) as suite:
        found = list(run(suite))
    assert {record.capability for record in found} == {""}
    assert {record.clause for record in found} == {c.id for c in ALL if c.check is not None}
    states = {record.clause: record.state for record in found}
    assert states["MAN-001"] is State.FAIL
    assert "vendor" in next(record.message for record in found if record.clause == "MAN-001")
    about_work = {c.id for c in ALL if c.scope not in ("plugin", "devices")}
    assert {states[id] for id in about_work & states.keys()} == {State.NOT_DECLARED}
    assert State.ERROR not in states.values()
