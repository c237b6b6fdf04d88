"""What holds for both doors: neither side can tell which one it is."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import parts
import pytest
from dummies.making import Bench, Events, write_plugin

from hwcore.contract import (
    Artifact,
    Cancelled,
    HardwareUnavailable,
    PluginError,
    Runner,
    Target,
    UserError,
)
from hwcore.host import Limits, discover

ROW = """
[[capabilities]]
id = "int8"
hook = "quantize"
inputs = [{ format = "transformers" }]
output = { format = "acme" }
lossless = false
"""
CODE = """
from hwcore.contract import Draft, hookimpl

@hookimpl
def quantize(source, options):
    return Draft(format="acme")
"""

Start = Callable[..., Bench]


@pytest.fixture(params=["in-process", "worker"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(start: Start, door: str) -> Bench:
    """A host of the numpy and the unruly dummy."""
    return start("numpy_engine", "unruly", door=door)


def quantize(bench: Bench, source: Artifact, plugin: str = "acme") -> None:
    bench.host.call(
        "quantize",
        plugin,
        source=source,
        capability="int8",
        options={},
        data=None,
        target=Target(),
        reference=source,
        out=source.path,
    )


def test_a_step_makes_a_draft_and_its_files(
    bench: Bench, source: Artifact, tmp_path: Path, events: Events
) -> None:
    made = bench.export(source, tmp_path / "out", rows=6, columns=2)
    assert made.format == "npz"
    assert made.manifest.facts == {"bits_per_weight": 32.0}
    assert np.load(made.component_file())["w"].shape == (6, 2)
    assert events.fractions == [0.5, 1.0]
    assert events.lines == [f"12 weights on {Limits().thread_count} threads"]
    assert bench.host.record("numpy").state == "loaded"
    assert bench.host.record("unruly").state == "found"


def test_a_model_runs_with_equal_results(bench: Bench, source: Artifact, tmp_path: Path) -> None:
    model = bench.linear(source, tmp_path / "out")
    assert isinstance(model, Runner)
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    weights = np.load(tmp_path / "out/model.npz")["w"]
    result = model({"x": x})
    assert list(result) == ["y", "sum"]
    np.testing.assert_array_equal(result["y"], x @ weights)
    assert list(model({"x": x}, outputs=["sum"])) == ["sum"]
    assert model.load_seconds > 0
    assert model.peak_rss() > 10 << 20


def test_results_belong_to_the_caller(bench: Bench, source: Artifact, tmp_path: Path) -> None:
    model = bench.linear(source, tmp_path / "out")
    x = np.ones((2, 8), np.float32)
    first = model({"x": x})["y"]
    expected = first.copy()
    first += 1
    x *= 5
    second = model({"x": x})["y"]
    np.testing.assert_array_equal(first, expected + 1)
    np.testing.assert_allclose(second, expected * 5, rtol=1e-6)


def test_inputs_are_checked_before_the_plugin_sees_them(
    bench: Bench, source: Artifact, tmp_path: Path
) -> None:
    model = bench.linear(source, tmp_path / "out")
    with pytest.raises(UserError, match="input 'x' is missing"):
        model({})
    with pytest.raises(UserError, match="dtype float64, expected float32"):
        model({"x": np.ones((2, 8))})
    with pytest.raises(UserError, match="there is no output 'z'"):
        model({"x": np.ones((2, 8), np.float32)}, outputs=["z"])
    ones = {"x": np.ones((2, 8), np.float32)}
    with pytest.raises(UserError, match="the output 'y' is asked for twice"):
        model(ones, outputs=["y", "sum", "y"])
    with pytest.raises(UserError, match="outputs is the string 'y', expected a list of names"):
        model(ones, outputs="y")
    with pytest.raises(UserError, match=r"there is no output \['y'\]"):
        model(ones, outputs=[["y"]])  # type: ignore[list-item]
    assert list(model(ones, outputs=(name for name in ("sum", "y")))) == ["sum", "y"]
    with pytest.raises(UserError, match="there are no inputs to time"):
        model.time_calls([], 3)
    with pytest.raises(UserError, match="input 'x' is missing"):
        model.time_calls([{}], 3)


def test_calls_are_timed_where_the_model_is(bench: Bench, source: Artifact, tmp_path: Path) -> None:
    model = bench.linear(source, tmp_path / "out", rows=512, columns=512)
    small, large = (np.ones((n, 512), np.float32) for n in (1, 2_000))
    times = model.time_calls([{"x": small}, {"x": large}], 7)
    assert len(times) == 7
    assert all(isinstance(ns, int) and ns > 0 for ns in times)
    assert min(times[1::2]) > min(times[0::2])


def test_a_closed_model_says_so(bench: Bench, source: Artifact, tmp_path: Path) -> None:
    with bench.linear(source, tmp_path / "out") as model:
        pass
    model.close()
    with pytest.raises(UserError, match="the model is closed"):
        model({"x": np.ones((1, 8), np.float32)})
    with pytest.raises(UserError, match="the model is closed"):
        model.peak_rss()


def test_a_closed_host_says_so(bench: Bench, source: Artifact, tmp_path: Path) -> None:
    model = bench.linear(source, tmp_path / "out")
    bench.host.close()
    bench.host.close()
    with pytest.raises(UserError, match="the plugin host is closed"):
        bench.work(source, "talk")
    with pytest.raises(UserError, match="the plugin host is closed"):
        bench.host.devices()
    with pytest.raises(UserError, match="the model is closed"):
        model({"x": np.ones((1, 8), np.float32)})


def test_options_are_checked_before_the_plugin_is_loaded(
    bench: Bench, source: Artifact, tmp_path: Path
) -> None:
    refused = (
        ({"rowz": 1}, "numpy/linear: there is no option 'rowz', did you mean 'rows'?"),
        ({"rows": "six"}, "numpy/linear: option 'rows' is 'six', expected integer"),
        ({"rows": 0}, "numpy/linear: option 'rows': 0 is less than the minimum of 1"),
        (
            {"mode": "plan"},
            "numpy/linear: option 'mode' is 'plan', expected one of 'plain', 'wide', did you "
            "mean 'plain'?",
        ),
        ({"depth": "two"}, "numpy/linear: option 'depth' is 'two', expected integer or null"),
        ({"depth": 0}, "numpy/linear: option 'depth': 0 is less than the minimum of 1"),
    )
    for number, (options, message) in enumerate(refused):
        with pytest.raises(UserError) as caught:
            bench.export(source, tmp_path / str(number), **options)
        assert str(caught.value) == message
        assert caught.value.hint == "Options: columns, depth, mode, rows."
    with pytest.raises(UserError, match="option 'how' is missing"):
        bench.host.call(
            "quantize",
            "unruly",
            source=source,
            capability="work",
            options={},
            data=None,
            target=Target(),
            reference=source,
            out=tmp_path,
        )
    with pytest.raises(UserError, match="numpy/int8 takes no options, and was given bits"):
        bench.host.call(
            "quantize",
            "numpy",
            source=source,
            capability="int8",
            options={"bits": 8},
            data=None,
            target=Target(),
            reference=source,
            out=tmp_path,
        )
    assert {record.state for record in bench.host.records} == {"found", "blocked"}


def test_a_caveat_that_applies_is_a_warning(
    bench: Bench, source: Artifact, tmp_path: Path, events: Events
) -> None:
    made = bench.export(source, tmp_path / "out")
    for features in ((), ("vnni",)):
        events.clear()
        out = tmp_path / f"int8{len(features)}"
        out.mkdir()
        bench.host.call(
            "quantize",
            "numpy",
            source=made,
            capability="int8",
            options={},
            data=None,
            target=Target(features=features),
            reference=source,
            out=out,
        )
        assert events.warnings == ([] if features else ["int8 does not pay without VNNI"])


def test_exactly_the_plugin_that_was_chosen_is_asked(
    bench: Bench, source: Artifact, tmp_path: Path, events: Events
) -> None:
    """Both dummies quantize, and both have been asked something before."""
    made = bench.export(source, tmp_path / "out")
    for _ in range(2):
        assert bench.work(source, "talk").format == "unruly"
        assert events.lines[-1] == "logged"
        events.clear()
        draft = bench.host.call(
            "quantize",
            "numpy",
            source=made,
            capability="int8",
            options={},
            data=None,
            target=Target(features=("vnni",)),
            reference=source,
            out=tmp_path,
        )
        assert draft.format == "npz"
        assert not events


def test_devices_come_from_the_core_and_from_plugins(bench: Bench) -> None:
    assert [device.id for device in bench.host.devices()] == ["cpu", "dummy:0"]


def test_a_failing_devices_hook_is_a_warning(
    bench: Bench, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWDUMMY_DEVICES", "fail")
    assert [device.id for device in bench.host.devices()] == ["cpu"]
    assert events.warnings == [
        "plugin numpy 1.2.0, hook devices: OSError: the driver is upside down"
    ]
    assert "upside down" in bench.host.record("numpy").reason


def test_a_plugins_exception_is_its_error_with_its_traceback(
    bench: Bench, source: Artifact
) -> None:
    with pytest.raises(PluginError) as caught:
        bench.work(source, "fail")
    error = caught.value
    assert str(error) == (
        "plugin unruly 0.3, hook quantize: RuntimeError: the kernel is upside down"
    )
    assert (error.plugin, error.version, error.hook) == ("unruly", "0.3", "quantize")
    assert error.hint == "To do without unruly: HWCORE_PLUGINS=numpy."
    assert error.details is not None
    assert 'raise RuntimeError("the kernel is upside down")' in error.details


def test_errors_of_the_contract_pass_through(bench: Bench, source: Artifact) -> None:
    with pytest.raises(UserError, match="too few rows") as caught:
        bench.work(source, "user_error")
    assert caught.value.hint == "Give more rows."
    with pytest.raises(HardwareUnavailable, match="no such chip here"):
        bench.work(source, "no_hardware")


def test_leaving_the_process_politely_is_an_error(bench: Bench, source: Artifact) -> None:
    with pytest.raises(PluginError, match=r"tried to end the process \(SystemExit: 1\)"):
        bench.work(source, "sys_exit")


def test_a_step_scores_on_the_tune_role_in_the_plugins_process(
    bench: Bench, source: Artifact, tmp_path: Path, events: Events
) -> None:
    from hwcore.data import batches

    data = parts.dataset(tmp_path / "data", {"tune": 40, "test": 10})
    labels = np.concatenate([b.labels for b in batches(data, "tune", batch_size=8)])
    bench.work(source, "score", data=data)
    assert events.lines == [f"scored {np.mean(labels == 0):.4f}"]


def test_a_step_without_data_cannot_score(bench: Bench, source: Artifact) -> None:
    with pytest.raises(UserError, match="scores a model and was given no dataset"):
        bench.work(source, "score")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("other_format", "made the format 'something-else'; work promises 'unruly'"),
        ("other_traits", "its draft says quantization 'int8'; work promises None"),
        ("no_draft", "it returned str and not a Draft"),
    ],
)
def test_a_draft_must_be_what_the_manifest_promises(
    bench: Bench, source: Artifact, how: str, message: str
) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        bench.work(source, how)
    assert "plugin unruly 0.3, hook quantize" in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "RuntimeError: the runner is upside down"),
        ("lists", r"its runner returned y \(list\), expected arrays y"),
        ("other_name", r"its runner returned z \(ndarray\), expected arrays y"),
        ("other_dtype", "its runner returned 'y' as float64 of 1 dimensions, declared as float32"),
        ("other_rank", "returned 'y' as float32 of 2 dimensions, declared as float32 of 1"),
    ],
)
def test_a_runners_answers_are_checked(
    bench: Bench, source: Artifact, how: str, message: str
) -> None:
    model = bench.run(source, how)
    with pytest.raises(PluginError, match=message) as caught:
        model({"x": np.ones(3, np.float32)})
    assert str(caught.value).startswith("plugin unruly 0.3, hook run: ")
    assert caught.value.hint == "To do without unruly: HWCORE_PLUGINS=numpy."


def test_progress_grows_and_logs_come_in_order(
    bench: Bench, source: Artifact, events: Events
) -> None:
    bench.work(source, "talk")
    assert events.fractions == [0.0, 0.2, 1.0]
    assert events.lines == ["logged"]
    assert events.warnings == ["logged"]


def test_a_callback_that_raises_stops_no_work(
    start: Start, door: str, source: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: seen.append(error))

    def on_event(event: object) -> None:
        raise ZeroDivisionError("my mistake")

    bench = start("unruly", door=door, on_event=on_event)
    bench.work(source, "talk")
    assert {str(error) for error in seen} == {"my mistake"}


@pytest.mark.parametrize("how", ["wait_for_cancel", "vendor_cancel"])
def test_a_cancel_reaches_the_plugin_and_raises_cancelled(
    start: Start, door: str, source: Artifact, how: str
) -> None:
    bench = start("unruly", door=door, on_event=lambda event: bench.host.cancel())
    with pytest.raises(Cancelled, match="quantize of plugin unruly was cancelled"):
        bench.work(source, how)
    bench.host.close()
    bench = start("unruly", door=door)
    assert bench.work(source, "environment", names=[]).format == "unruly"


def test_a_cancel_from_another_thread(bench: Bench, source: Artifact) -> None:
    timer = threading.Timer(0.8, bench.host.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        bench.work(source, "wait_for_cancel")
    timer.join()


def test_threads_and_seed_reach_the_plugin(
    start: Start, door: str, source: Artifact, events: Events
) -> None:
    start("unruly", door=door, limits=Limits(threads=3)).work(source, "environment", names=[])
    assert events.lines[0].startswith("threads=3 seed=0")


def test_unknown_and_unusable_plugins_are_refused(
    start: Start, door: str, source: Artifact, tmp_path: Path
) -> None:
    bench = start("numpy_engine", write_plugin(tmp_path, "acme"), door=door)
    with pytest.raises(UserError, match="there is no plugin 'nunpy', did you mean 'numpy'"):
        bench.host.record("nunpy")
    with pytest.raises(UserError, match=r"plugin acme is broken: no hwcore-plugin\.toml"):
        quantize(bench, source)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            CODE.replace("def quantize", "def quantise"),
            "it implements 'quantise', which is no hook, did you mean 'quantize'?",
        ),
        (CODE.replace("source", "src"), "{'src'} are declared in the hookimpl but"),
        ("", "its manifest claims quantize, and its code implements no such hook"),
    ],
)
def test_code_that_does_not_load_makes_the_plugin_broken(
    start: Start, door: str, source: Artifact, tmp_path: Path, code: str, message: str
) -> None:
    name = f"bad{abs(hash((code, door)))}"
    bench = start(write_plugin(tmp_path, name, manifest=ROW, code=code), "numpy_engine", door=door)
    with pytest.raises(PluginError) as caught:
        quantize(bench, source, name)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"plugin {name} 1.0")
    assert f"To do without {name}: HWCORE_PLUGINS=numpy." in (caught.value.hint or "")
    with pytest.raises(UserError, match=f"plugin {name} is broken: its code does not load"):
        quantize(bench, source, name)


def test_what_an_extra_lacks_is_said_when_a_step_fails(
    start: Start, door: str, source: Artifact, tmp_path: Path
) -> None:
    plugin = write_plugin(
        tmp_path,
        "needy",
        manifest=ROW + 'extra = "build"',
        code=CODE.replace("    return", "    import no_such_module\n    return"),
        metadata="Provides-Extra: build\nRequires-Dist: no-such-module ; extra == 'build'\n",
    )
    bench = start(plugin, door=door)
    with pytest.raises(PluginError, match="No module named 'no_such_module'") as caught:
        quantize(bench, source, "needy")
    assert caught.value.hint == (
        "Install what it needs: pip install 'hwdummy-needy[build]'. "
        "To do without needy: --no-plugins."
    )


def test_a_model_that_fails_to_close_says_so(bench: Bench, source: Artifact) -> None:
    model = bench.run(source, "close_fails")
    with pytest.raises(PluginError, match="RuntimeError: the handle is stuck"):
        model.close()
    model.close()


def test_several_threads_may_call_one_model(bench: Bench, source: Artifact) -> None:
    """The dummy returns only when four calls are inside at once."""
    model = bench.run(source, "together", together=4)
    results: dict[int, float] = {}

    def call(i: int) -> None:
        results[i] = float(model({"x": np.full(2, i, np.float32)})["y"][0])

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: 0, 1: 2, 2: 4, 3: 6}


def test_limits_of_seconds_and_memory_need_a_worker(install: Callable[..., None]) -> None:
    from hwcore.host import PluginHost

    for limits in (Limits(seconds=1), Limits(memory_bytes=1 << 30)):
        with pytest.raises(UserError, match="cannot be limited in process"):
            PluginHost(discover(), door="in-process", limits=limits)
    with pytest.raises(UserError, match="the limit threads is 0"):
        Limits(threads=0)


def test_both_doors_live_where_they_say(start: Start, source: Artifact) -> None:
    x = {"x": np.ones(1, np.float64)}
    inside = start("unruly", door="in-process").run(source, "pid", dtype="float64")
    outside = start("unruly").run(source, "pid", dtype="float64")
    assert int(inside(x)["y"][0]) == os.getpid()
    assert int(outside(x)["y"][0]) != os.getpid()
