"""What only a worker can do: be killed, die, run dry, print without end, and leave no trace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from dummies.making import DUMMIES, Bench, Events

from hwcore.contract import Artifact, Cancelled, PluginError, Target, UserError
from hwcore.host import Limits
from hwcore.host.context import HookContext
from hwcore.host.door import WorkRequest
from hwcore.host.events import EventSink
from hwcore.host.worker.worker import Worker

Start = Callable[..., Bench]
INHERITED_PATHS = os.environ.get("PYTHONPATH", "").split(os.pathsep)
X = {"x": np.ones(3, np.float32)}


def died(bench: Bench, source: Artifact, how: str, **options: object) -> PluginError:
    with pytest.raises(PluginError) as caught:
        bench.work(source, how, **options)
    error = caught.value
    assert str(error).startswith("plugin unruly 0.3, hook quantize: ")
    assert "To do without unruly: --no-plugins." in (error.hint or "")
    return error


def gone(pid: int, seconds: float = 10) -> bool:
    """True once no such process runs (a zombie does not)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_worker_that_leaves_is_an_error_with_its_last_lines(
    start: Start, source: Artifact
) -> None:
    bench = start("unruly")
    error = died(bench, source, "leave")
    assert "its process ended with status 3 before it had answered" in str(error)
    assert error.details is not None
    assert "about to leave" in error.details
    # The next call has a fresh worker.
    assert bench.work(source, "environment", names=[]).format == "unruly"


def test_a_crash_names_the_signal_and_shows_where(
    start: Start, source: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    error = died(start("unruly"), source, "segfault")
    assert "its process died of SIGSEGV (Segmentation fault)" in str(error)
    assert error.details is not None
    assert "about to read address 0\nfrom C\n" in error.details
    assert "in segfault" in error.details


def test_a_kill_from_outside_is_probably_about_memory(start: Start, source: Artifact) -> None:
    error = died(start("unruly"), source, "kill_self")
    assert "its process died of SIGKILL" in str(error)
    assert "Probably the system was out of memory" in (error.hint or "")


def test_a_step_past_its_limit_is_killed(start: Start, source: Artifact) -> None:
    for how in ("hang", "hang_in_c"):
        bench = start("unruly", limits=Limits(seconds=3))
        begin = time.monotonic()
        error = died(bench, source, how)
        assert "it took longer than the limit of 3 s and was killed" in str(error)
        assert time.monotonic() - begin < 10
        assert bench.work(source, "environment", names=[]).format == "unruly"


def test_memory_past_the_limit_is_an_error(start: Start, source: Artifact) -> None:
    bench = start("unruly", limits=Limits(memory_bytes=1 << 30))
    error = died(bench, source, "eat")
    assert "ran out of memory" in str(error)
    assert "MemoryError" in (error.details or "")
    error = died(bench, source, "eat_in_cpp")
    assert "its process died of SIGABRT" in str(error)
    assert "It ran into the memory limit of 1024 MiB" in (error.hint or "")


def test_a_fork_that_comes_back_from_a_hook_answers_nothing(start: Start, source: Artifact) -> None:
    bench = start("unruly")
    assert bench.work(source, "fork").format == "unruly"
    assert bench.work(source, "fork").format == "unruly"


def test_an_answer_that_is_too_long_is_the_plugins_error(start: Start, source: Artifact) -> None:
    bench = start("unruly")
    error = died(bench, source, "long_draft")
    assert "what it returned is too long: 70 MiB in one message; at most 64 go" in str(error)
    assert bench.work(source, "talk").format == "unruly"


def test_megabytes_of_output_neither_block_nor_flood(
    start: Start, source: Artifact, events: Events
) -> None:
    bench = start("unruly")
    bench.work(source, "chatter")
    assert events.output[0].startswith("line 0 ")
    assert events.output[-1] == "no newline at the end" or "left out" in events.output[-1]
    assert any("lines left out" in line for line in events.output)
    assert 100 < len(events.output) < 1_000
    assert all(event.level == "debug" for event in events)


def test_a_progress_bar_is_many_lines_and_not_one_endless(
    start: Start, source: Artifact, events: Events
) -> None:
    start("unruly").work(source, "bar")
    assert len(events.output) > 10
    assert all(len(line) < 30 for line in events.output)


def test_output_comes_before_the_answer(start: Start, source: Artifact, events: Events) -> None:
    start("unruly").work(source, "talk")
    assert events.output == ["printed"]


def test_the_environment_of_a_worker(
    start: Start, source: Artifact, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    names = ["DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "OMP_NUM_THREADS"]
    start("unruly", limits=Limits(threads=3)).work(source, "environment", names=names)
    assert events.lines[:3] == [
        "DO_NOT_TRACK=1",
        "HF_HUB_DISABLE_TELEMETRY=0",
        "OMP_NUM_THREADS=3",
    ]


def test_steps_share_a_worker_and_each_model_has_its_own(
    start: Start, source: Artifact, events: Events
) -> None:
    bench = start("unruly")
    bench.work(source, "environment", names=[])
    bench.work(source, "environment", names=[])
    assert len(set(events.lines)) == 1
    models = [bench.run(source, "pid", dtype="int64") for _ in range(2)]
    pids = {int(model({"x": np.ones(1, np.int64)})["y"][0]) for model in models}
    assert len(pids) == 2
    for model in models:
        model.close()
    assert all(gone(pid) for pid in pids)


def test_the_main_thread_serves_the_first_caller(start: Start, source: Artifact) -> None:
    model = start("unruly").run(source, "main_thread")
    assert [bool(model(X)["y"][0]) for _ in range(3)] == [True] * 3


def test_a_model_that_dies_says_so_and_stays_dead(start: Start, source: Artifact) -> None:
    model = start("unruly").run(source, "leaves")
    for _ in range(2):
        with pytest.raises(PluginError, match="hook run: its process ended with status 3"):
            model(X)
    with pytest.raises(PluginError, match="its process ended with status 3"):
        model.peak_rss()
    model.close()


def test_a_call_past_its_limit_is_killed(start: Start, source: Artifact) -> None:
    model = start("unruly", limits=Limits(seconds=3)).run(source, "hangs")
    with pytest.raises(PluginError, match="it took longer than the limit of 3 s and was killed"):
        model(X)


def test_outputs_of_objects_are_refused(start: Start, source: Artifact) -> None:
    model = start("unruly").run(source, "objects")
    with pytest.raises(PluginError, match="returned 'y' as object of 1 dimensions, declared"):
        model(X)


def test_a_cancel_right_behind_its_request_is_not_lost(
    start: Start, source: Artifact, events: Events
) -> None:
    """Both arrive before the plugin has begun; it is asked to stop and not killed."""
    bench = start("unruly")
    ctx = HookContext(EventSink("unruly", "quantize", events.append))
    record = bench.host.record("unruly")
    worker = Worker(record, Limits(), sys.executable, 20.0, ctx)
    worker.load(ctx, None)
    request = WorkRequest(
        hook="quantize",
        source=source,
        capability="work",
        options={"how": "wait_for_cancel"},
        data=None,
        target=Target(),
        reference=source,
        out=source.path,
    )
    fields = {"request": request.model_dump(mode="json"), "seed": 0, "threads": 1}
    reply = worker._send("work", None, fields)
    worker.ask_to_stop(reply)
    message = reply.wait()
    assert message is not None
    assert message["error"]["message"] == "stopped as asked"
    worker.close()


def test_a_cancel_ends_a_call_of_a_model(start: Start, source: Artifact) -> None:
    bench = start("unruly", grace=0.5)
    polite, deaf = bench.run(source, "until_cancelled"), bench.run(source, "hangs")
    for model in (polite, deaf):
        timer = threading.Timer(0.3, bench.host.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            model(X)
        timer.join()
    # The polite one lives on, and is not cancelled any more.
    timer = threading.Timer(0.3, bench.host.cancel)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        polite(X)
    assert time.monotonic() - begin > 0.25
    timer.join()


def test_a_step_that_ignores_a_cancel_is_killed_after_the_grace(
    start: Start, source: Artifact, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    bench = start("unruly", grace=0.3, on_event=lambda event: bench.host.cancel())
    begin = time.monotonic()
    with pytest.raises(Cancelled, match="quantize of plugin unruly was cancelled"):
        bench.work(source, "hang_in_c", pids=str(pids))
    assert time.monotonic() - begin < 8
    assert gone(int(pids.read_text()))


def test_closing_a_model_ends_its_calls(start: Start, source: Artifact) -> None:
    bench = start("unruly", grace=0.5)
    model = bench.run(source, "hangs")
    timer = threading.Timer(0.3, model.close)
    timer.start()
    with pytest.raises(UserError, match="the model was closed during the call"):
        model(X)
    timer.join()


def test_closing_the_host_ends_a_step_in_another_thread(start: Start, source: Artifact) -> None:
    bench = start("unruly", grace=0.3, on_event=lambda event: timer.start())
    timer = threading.Timer(0.1, lambda: bench.host.close())
    with pytest.raises(Cancelled, match="the host was closed during quantize of unruly"):
        bench.work(source, "hang")
    timer.join()


def test_a_callback_may_close_the_host(start: Start, source: Artifact) -> None:
    bench = start("unruly", on_event=lambda event: bench.host.close())
    with pytest.raises(Cancelled, match="the host was closed during quantize of unruly"):
        bench.work(source, "hang")


def test_a_forgotten_model_ends_its_worker(start: Start, source: Artifact) -> None:
    bench = start("unruly")
    model = bench.run(source, "pid", dtype="int64")
    pid = int(model({"x": np.ones(1, np.int64)})["y"][0])
    del model
    assert gone(pid)


@pytest.mark.parametrize("then", ["return", "hang"])
def test_closing_leaves_no_grandchildren(
    start: Start, source: Artifact, tmp_path: Path, then: str
) -> None:
    pids = tmp_path / "pids"
    bench = start("unruly", grace=0.3, limits=Limits(seconds=4))
    with contextlib.suppress(PluginError):
        bench.work(source, "grandchildren", pids=str(pids), then=then)
    bench.host.close()
    family = [int(pid) for pid in pids.read_text().split()]
    assert len(family) == 3
    assert all(gone(pid) for pid in family)


HOST = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from dummies.making import Bench
from hwcore.contract import Artifact, ArtifactManifest
from hwcore.host import ProgressEvent, discover

def on_event(event):
    if isinstance(event, ProgressEvent):
        print("started", flush=True)

source = Artifact(path=Path({folder!r}), manifest=ArtifactManifest(
    format="transformers", task="feature-extraction", components={{}}, files={{}}))
bench = Bench(discover(allow=("unruly",)), dict(grace=0.5, on_event=on_event))
{body}
"""


def host_process(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    """Another Python that hosts the unruly dummy."""
    paths = [str(DUMMIES.parent), str(DUMMIES / "unruly")]
    code = HOST.format(paths=paths, folder=str(tmp_path), body=body)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([paths[1], *INHERITED_PATHS])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_pids(path: Path, seconds: float = 30) -> list[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and path.read_text().strip():
            time.sleep(0.2)  # all of them are written, and what comes after has begun
            return [int(pid) for pid in path.read_text().split()]
        time.sleep(0.02)
    raise AssertionError("the plugin did not start")


@pytest.mark.parametrize("how", ["hang_in_c", "grandchildren"])
def test_killing_the_host_kills_everything(tmp_path: Path, how: str) -> None:
    """SIGKILL, while the plugin holds its interpreter's lock in C and cannot notice anything."""
    pids = tmp_path / "pids"
    host = host_process(tmp_path, f"bench.work(source, {how!r}, pids={str(pids)!r}, then='hang')")
    family = read_pids(pids)
    family += [child.pid for child in psutil.Process(host.pid).children(recursive=True)]
    host.kill()
    host.communicate()
    assert len(set(family)) >= 2
    assert all(gone(pid) for pid in family)


def test_killing_the_host_kills_models_in_a_call(tmp_path: Path) -> None:
    body = """
import numpy as np, threading
model = bench.run(source, "hangs")
threading.Thread(target=model, args=({"x": np.ones(1, np.float32)},), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
    host = host_process(tmp_path, body)
    assert host.stdout is not None
    assert host.stdout.readline() == "ready\n"
    family = psutil.Process(host.pid).children(recursive=True)
    assert len(family) == 2
    host.kill()
    host.communicate()
    assert all(gone(child.pid) for child in family)


def test_killing_the_supervisor_kills_the_worker(
    start: Start, source: Artifact, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"

    def kill_the_parent(event: object) -> None:
        psutil.Process(int(pids.read_text())).parent().kill()

    bench = start("unruly", on_event=kill_the_parent)
    error = died(bench, source, "hang_in_c", pids=str(pids))
    assert "its process was killed" in str(error)
    assert gone(int(pids.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_killing_the_supervisor_kills_the_worker_even_when_the_host_looks_away(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    host = host_process(tmp_path, f"bench.work(source, 'hang_in_c', pids={str(pids)!r})")
    (worker,) = read_pids(pids)
    host.send_signal(signal.SIGSTOP)
    psutil.Process(worker).parent().kill()
    assert gone(worker)
    host.kill()
    host.communicate()


def test_an_exiting_host_leaves_nothing(tmp_path: Path) -> None:
    body = """
import os
model = bench.run(source, "echo")
bench.work(source, "environment", names=[])
print([p.pid for p in __import__("psutil").Process().children(recursive=True)])
"""
    host = host_process(tmp_path, body)
    out, err = host.communicate(timeout=60)
    assert (host.returncode, err) == (0, "")
    family = [int(pid) for pid in out.strip(" []\n").split(",")]
    assert len(family) == 4
    assert all(gone(pid) for pid in family)


@pytest.mark.parametrize("how", ["wait_for_cancel", "hang_in_c"])
def test_ctrl_c_during_a_step(tmp_path: Path, how: str) -> None:
    """Asked first, killed after the grace; the host's own exception is what comes out."""
    body = f"""
try:
    bench.work(source, {how!r})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    print(bench.work(source, "environment", names=[]).format)
"""
    host = host_process(tmp_path, body)
    assert host.stdout is not None
    assert host.stdout.readline() == "started\n"
    host.send_signal(signal.SIGINT)
    out, err = host.communicate(timeout=60)
    assert (out, err) == ("interrupted\nunruly\n", "")


def test_ctrl_c_during_a_call_of_a_model(tmp_path: Path) -> None:
    body = """
import numpy as np
for how in ("until_cancelled", "hangs"):
    model = bench.run(source, how)
    print("ready", flush=True)
    try:
        model({"x": np.ones(1, np.float32)})
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    model.close()
"""
    host = host_process(tmp_path, body)
    assert host.stdout is not None
    for _ in range(2):
        assert host.stdout.readline() == "ready\n"
        time.sleep(0.5)
        host.send_signal(signal.SIGINT)
        assert host.stdout.readline() == "interrupted\n"
    out, err = host.communicate(timeout=60)
    assert (out, err) == ("", "")


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")  # the very point
def test_a_fork_of_the_host_neither_uses_nor_ends_its_models(
    start: Start, source: Artifact
) -> None:
    model = start("unruly").run(source, "echo")
    model(X)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            model.close()
            model(X)
        except UserError as error:
            status = 0 if "closed" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    np.testing.assert_array_equal(model(X)["y"], X["x"])


def test_neither_the_working_directory_nor_our_own_modules_shadow_a_library(
    start: Start, source: Artifact, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hwcore", "numpy", "elsewhere"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('from the working directory')")
    monkeypatch.chdir(tmp_path)
    start("unruly").work(source, "importable", names=["json", "elsewhere", "supervisor", "arena"])
    assert events.lines == ["json"]


def test_an_interpreter_with_another_hwcore(
    start: Start, source: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwcore.host.worker.worker.WIRE_VERSION", 99)
    with pytest.raises(PluginError, match="its interpreter has another version of hwcore"):
        start("unruly").work(source, "talk")


def test_an_interpreter_that_is_not_there(start: Start, source: Artifact) -> None:
    bench = start("unruly", interpreter="/no/such/python")
    with pytest.raises(UserError, match="the worker's interpreter /no/such/python cannot be"):
        bench.work(source, "talk")


def test_an_interpreter_without_hwcore(start: Start, source: Artifact, tmp_path: Path) -> None:
    """Another environment's Python, here one that sees no packages at all."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    fake.chmod(0o755)
    with pytest.raises(PluginError, match="its code does not load: its process ended with") as e:
        start("unruly", interpreter=str(fake)).work(source, "talk")
    assert "No module named 'hwcore'" in (e.value.details or "")
