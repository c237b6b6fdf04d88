from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from dummies.making import Bench, Events, write_plugin

from hwcore.contract import Artifact, PluginError, Target

Start = Callable[..., Bench]


@pytest.fixture
def tracer(install: Callable[..., None]) -> Iterator[ModuleType]:
    """The third party's wrapper, as this process has it loaded; its trace is empty."""
    install("tracer")
    module = importlib.import_module("hwdummy_tracer")
    module.TRACE.clear()
    yield module
    module.TRACE.clear()


@pytest.mark.parametrize("door", ["in-process", "worker"])
def test_a_third_partys_wrapper_runs_around_both_doors_in_this_process(
    start: Start, door: str, source: Artifact, tmp_path: Path, tracer: ModuleType
) -> None:
    bench = start("numpy_engine", "tracer", door=door)
    made = bench.export(source, tmp_path / "out")
    assert made.manifest.facts["traced"] is True
    assert [("export", "linear", os.getpid())] == tracer.TRACE
    assert bench.host.record("tracer").state == "loaded"


def test_a_wrapper_is_loaded_before_the_first_call_it_wraps_and_not_sooner(
    start: Start, source: Artifact, tmp_path: Path
) -> None:
    sys.modules.pop("hwdummy_tracer", None)
    bench = start("numpy_engine", "unruly", "tracer", door="in-process")
    bench.work(source, "environment", names=[])
    assert "hwdummy_tracer" not in sys.modules
    bench.export(source, tmp_path / "out")
    assert len(sys.modules["hwdummy_tracer"].TRACE) == 1


def test_without_the_plugin_nothing_is_traced(
    start: Start, source: Artifact, tmp_path: Path, tracer: ModuleType
) -> None:
    bench = start("numpy_engine", door="in-process")
    assert "traced" not in bench.export(source, tmp_path / "out").manifest.facts
    assert tracer.TRACE == []


@pytest.mark.parametrize("door", ["in-process", "worker"])
def test_a_wrapper_may_put_its_own_runner_before_the_model(
    start: Start,
    door: str,
    source: Artifact,
    tmp_path: Path,
    tracer: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HWDUMMY_TRACER", "replace")
    bench = start("numpy_engine", "tracer", door=door)
    with bench.linear(source, tmp_path / "out") as model:
        assert model({"x": np.ones((2, 8), np.float32)})["y"].shape == (2, 4)
        assert len(model.time_calls([{"x": np.ones((2, 8), np.float32)}], 2)) == 2
        assert model.peak_rss() > 0
    assert [name for name, _, _ in tracer.TRACE] == ["export", "run", "call", "close"]


@pytest.mark.parametrize("way", ["fail", "fail-after"])
def test_a_failing_wrapper_is_named_and_not_the_plugin_it_wraps(
    start: Start,
    source: Artifact,
    tmp_path: Path,
    tracer: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    monkeypatch.setenv("HWDUMMY_TRACER", way)
    bench = start("numpy_engine", "tracer")
    hook = "export" if way == "fail" else "run"
    with pytest.raises(PluginError) as caught:
        bench.linear(source, tmp_path / "out")
    assert str(caught.value) == (f"plugin tracer 2.0, hook {hook}: OSError: the trace file is full")
    assert caught.value.hint == "To do without tracer: HWCORE_PLUGINS=numpy."


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("", "its manifest says it wraps export, and its code wraps none"),
        (
            "from hwcore.contract import hookimpl\n"
            "@hookimpl(wrapper=True)\ndef export():\n    return (yield)\n"
            "@hookimpl(wrapper=True)\ndef run():\n    return (yield)\n",
            "its manifest says it wraps export, and its code wraps export, run",
        ),
    ],
)
def test_a_wrapper_that_does_not_load_is_a_warning_and_a_broken_record(
    start: Start, source: Artifact, tmp_path: Path, events: Events, code: str, message: str
) -> None:
    name = f"wrap{len(code)}"
    plugin = write_plugin(tmp_path, name, manifest="wraps = ['export']", code=code)
    bench = start("numpy_engine", plugin, door="in-process")
    bench.export(source, tmp_path / "out")
    warning = next(w for w in events.warnings if "wrapper" in w)
    assert warning.startswith("export goes on without this plugin's wrapper")
    assert message in warning
    record = next(r for r in bench.host.records if r.name == name)
    assert record.state == "broken"
    assert f"To do without {name}: HWCORE_PLUGINS=numpy." in record.reason


def test_a_plugin_may_do_work_and_wrap(
    start: Start, source: Artifact, tmp_path: Path, events: Events
) -> None:
    """In the worker its work hooks are registered, here its wrappers: each once."""
    code = """
import os
from hwcore.contract import Draft, hookimpl

@hookimpl
def quantize(ctx):
    ctx.log(f"work in {os.getpid()}")
    return Draft(format="both")

@hookimpl(wrapper=True)
def export(ctx):
    ctx.log(f"around in {os.getpid()}")
    return (yield)
"""
    manifest = """
wraps = ["export"]
[[capabilities]]
id = "int8"
hook = "quantize"
inputs = [{ format = "npz" }]
output = { format = "both" }
lossless = false
"""
    plugin = write_plugin(tmp_path, "both", manifest=manifest, code=code)
    bench = start("numpy_engine", plugin)
    bench.export(source, tmp_path / "out")
    assert f"around in {os.getpid()}" in events.lines
    bench.host.call(
        "quantize",
        "both",
        source=source,
        capability="int8",
        options={},
        data=None,
        target=Target(),
        reference=source,
        out=tmp_path,
    )
    assert sum(line.startswith("work in") for line in events.lines) == 1
    assert f"work in {os.getpid()}" not in events.lines
    assert sum(line.startswith("around in") for line in events.lines) == 1
