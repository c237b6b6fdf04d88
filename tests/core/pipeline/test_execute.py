"""Executing plans: each step once, checked, kept, and nothing of a step that failed."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import parts
import pytest

from hwcore.artifacts import Cache, DiskFull, read_artifact
from hwcore.contract import (
    Artifact,
    Dataset,
    Options,
    Plan,
    PlannedStep,
    PluginError,
    Target,
    ToleranceExceeded,
    UserError,
)
from hwcore.host import PluginHost
from hwcore.pipeline import Executed, LeftOut, Pipeline, bind, execute, read_recipe
from hwcore.pipeline.execute import step_key

INT8 = PlannedStep(hook="quantize", plugin="steps", capability="int8")
PACK = PlannedStep(hook="compile", plugin="steps", capability="pack")
RUN = PlannedStep(hook="run", plugin="steps", capability="numpy")


def compiled(capability: str) -> PlannedStep:
    return PACK.model_copy(update={"capability": capability})


def int8(**options: Any) -> PlannedStep:
    return INT8.model_copy(update={"options": cast(Options, options)})


def plan(*work: PlannedStep, source: Artifact, target: Target = parts.CPU, seed: int = 0) -> Plan:
    return Plan(name="p", source=source.digest, target=target, work=work, run=RUN, seed=seed)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


class Bench:
    """A pipeline for the steps plugin; ``run`` executes steps in one of its own."""

    def __init__(self, steps: Any, cache: Cache, source: Artifact) -> None:
        self.steps = steps
        self.cache = cache
        self.source = source

    def pipeline(self, **options: Any) -> Pipeline:
        arguments = {"reference": self.source, "target": parts.CPU} | options
        return Pipeline(self.steps.host, self.cache, **arguments)

    def run(self, *work: PlannedStep, seed: int = 0, **options: Any) -> Executed:
        target = options.get("target", parts.CPU)
        with self.pipeline(**options) as pipeline:
            return pipeline.execute(plan(*work, source=self.source, target=target, seed=seed))

    @property
    def kept(self) -> list[str]:
        assert list((self.cache.root / "tmp").iterdir()) == [], "work was left behind"
        return [entry.what for entry in self.cache.entries()]


@pytest.fixture
def bench(steps: Any, cache: Cache, source: Artifact) -> Bench:
    return Bench(steps, cache, source)


class TestOnce:
    def test_a_plan_gives_its_last_artifact_and_a_record_of_each_step(self, bench: Bench) -> None:
        executed = bench.run(INT8, PACK)
        assert executed.artifact.format == "toy-packed"
        assert executed.artifact.traits.quantization == "int8-weight"
        assert executed.artifact.traits.bound_to == parts.CPU.fingerprint
        assert executed.unchecked is None
        assert [record.step for record in executed.steps] == [INT8, PACK]
        assert [record.cached for record in executed.steps] == [False, False]
        assert executed.steps[0].check.detail == "finite over 3 shapes, size as claimed"
        assert executed.steps[1].check.detail == "equals its parent over 3 shapes"
        assert executed.steps[-1].artifact == executed.artifact.digest
        assert all(record.seconds > 0 for record in executed.steps)
        assert read_artifact(executed.artifact.path, verify=True) == executed.artifact

    def test_the_lineage_tells_how_to_do_it_again(self, bench: Bench) -> None:
        first, second = bench.run(int8(note="x"), PACK, seed=5).artifact.manifest.lineage
        assert (first.hook, first.plugin, first.version) == ("quantize", "steps", "2.1.0")
        assert first.options == {"note": "x"}
        assert first.parent == bench.source.digest
        assert first.target == second.target == parts.CPU.fingerprint
        assert first.seed == second.seed == 5
        assert first.libraries == {"numpy": np.__version__}
        assert first.dataset is None
        assert second.parent == bench.run(int8(note="x"), seed=5).artifact.digest

    def test_a_second_time_nothing_runs(self, bench: Bench) -> None:
        first, second = bench.run(INT8, PACK), bench.run(INT8, PACK)
        assert bench.steps.made == ["int8", "pack"]
        assert [record.cached for record in second.steps] == [True, True]
        assert second.artifact == first.artifact
        for before, after in zip(first.steps, second.steps, strict=True):
            assert (before.key, before.check) == (after.key, after.check)

    def test_plans_share_the_steps_they_begin_with(self, bench: Bench) -> None:
        bench.run(INT8)
        bench.run(INT8, PACK)
        assert bench.steps.made == ["int8", "pack"]

    def test_a_plan_without_work_gives_the_source(self, bench: Bench) -> None:
        assert bench.run() == Executed(bench.source, ())
        assert bench.kept == []

    def test_a_damaged_entry_is_made_again(self, bench: Bench) -> None:
        model = bench.run(INT8).artifact.component_file()
        before = model.read_bytes()
        model.write_bytes(before[:-1])
        again = bench.run(INT8)
        assert not again.steps[0].cached
        assert bench.steps.made == ["int8", "int8"]
        assert model.read_bytes() == before

    @pytest.mark.parametrize("content", [None, b"{", b'{"status": "good"}'])
    def test_an_entry_whose_check_is_lost_is_made_again(
        self, bench: Bench, content: bytes | None
    ) -> None:
        check = bench.run(INT8).artifact.path / "check.json"
        check.unlink() if content is None else check.write_bytes(content)
        assert not bench.run(INT8).steps[0].cached
        assert bench.run(INT8).steps[0].cached

    def test_whoever_waits_is_told_what_begins(self, bench: Bench) -> None:
        told: list[tuple[str, str, int, bool]] = []

        def notify(plan: Plan, step: PlannedStep, number: int, cached: bool) -> None:
            told.append((plan.name, str(step), number, cached))

        bench.run(INT8)
        bench.run(INT8, PACK, notify=notify)
        assert told == [("p", str(INT8), 0, True), ("p", str(PACK), 1, False)]

    def test_two_programs_make_a_step_once(self, bench: Bench, steps: Any, tmp_path: Path) -> None:
        barrier = threading.Barrier(2)

        def program(number: int) -> Executed:
            barrier.wait()
            return bench.run(INT8, PACK)

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(program, range(2))
        assert steps.made == ["int8", "pack"]
        assert one.artifact == other.artifact
        cached = [[record.cached for record in found.steps] for found in (one, other)]
        assert sorted(map(sum, zip(*cached, strict=True))) == [1, 1]

    def test_a_bundled_recipe_from_end_to_end(self, bench: Bench) -> None:
        recipe = read_recipe(parts.DUMMIES / "steps_engine" / "hwdummy_steps" / "recipe.yaml")
        bound = bind(
            recipe, source=bench.source, target=parts.CPU, data=None, host=bench.steps.host
        )
        assert not isinstance(bound, LeftOut)
        with bench.pipeline() as pipeline:
            executed = pipeline.execute(bound)
        assert bench.steps.made == ["int8", "pack"]
        assert executed.unchecked is None


class TestFailure:
    """A step that fails leaves nothing behind, and is run again when it is asked for again."""

    @pytest.mark.parametrize(
        ("step", "error", "message"),
        [
            (
                int8(fault="raise"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: ValueError: the scales are upside down",
            ),
            (
                int8(fault="nan"),
                ToleranceExceeded,
                "quantize steps/int8: output 'y' is not finite at {'batch': 1}",
            ),
            (
                int8(fault="unproven"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: it claims a quantized model, but not one "
                "operation that was quantized",
            ),
            (
                int8(fault="large"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: it claims 8 bits per weight, 0.0 MB for 12 "
                "parameters, but the files hold 3.1 MB",
            ),
            (
                int8(fault="link"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: it left a symbolic link, link",
            ),
            (
                int8(fault="manifest"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: it wrote artifact.json, which is the core's "
                "to write",
            ),
            (
                int8(fault="lost"),
                PluginError,
                "plugin steps 2.1.0, hook quantize: the outputs changed from "
                "[('y', 'float32', 2)] to [('z', 'float32', 2)]",
            ),
            (
                int8(fault="wider"),
                ToleranceExceeded,
                "quantize steps/int8: output 'y' has shape (1, 6), expected (1, 3), at",
            ),
            (
                compiled("off"),
                ToleranceExceeded,
                "compile steps/off: output 'y' differs from the toy model's by",
            ),
        ],
        ids=lambda value: (
            str(value.options.get("fault", value.capability))
            if isinstance(value, PlannedStep)
            else ""
        ),
    )
    def test_is_told_and_not_kept(
        self, bench: Bench, step: PlannedStep, error: type[Exception], message: str
    ) -> None:
        for _ in range(2):
            with pytest.raises(error) as caught:
                bench.run(step)
            assert str(caught.value).startswith(message)
            assert caught.value.__cause__ is not caught.value
            assert "To do without steps: " in (getattr(caught.value, "hint", None) or "")
            assert bench.kept == []
        assert bench.steps.made == [step.capability] * 2

    def test_keeps_the_steps_before_it(self, bench: Bench) -> None:
        with pytest.raises(ToleranceExceeded):
            bench.run(compiled("odd"), compiled("from-odd"), compiled("off"))
        assert sorted(bench.kept) == [
            "compile steps/odd",
            "compile steps/odd → compile steps/from-odd",
        ]

    def test_an_option_that_does_not_exist_is_the_users(self, bench: Bench) -> None:
        with pytest.raises(UserError, match="there is no option 'falt', did you mean 'fault'"):
            bench.run(int8(falt="raise"))
        assert bench.steps.made == []


class TestUnchecked:
    def test_a_result_that_nobody_runs(self, bench: Bench) -> None:
        executed = bench.run(compiled("odd"))
        reason = "compile steps/odd: no installed plugin can run odd losslessly here"
        assert executed.unchecked == reason
        assert bench.run(compiled("odd")).unchecked == reason

    def test_a_parent_that_nobody_runs(self, bench: Bench) -> None:
        executed = bench.run(compiled("odd"), compiled("from-odd"))
        assert [record.check.status for record in executed.steps] == ["unchecked", "unchecked"]
        detail = "no installed plugin can run odd to compare with"
        assert executed.steps[1].check.detail == detail
        assert executed.unchecked is not None
        assert "losslessly here" in executed.unchecked  # the first of the two

    def test_it_is_checked_once_somebody_can(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = bench.steps.host.record("steps")
        without = tuple(row for row in record.capabilities if row.hook != "run")
        manifest = record.manifest.model_copy(update={"capabilities": without})
        with monkeypatch.context() as patched:
            # As if the plugin that brings the runner were not installed yet.
            blind = (replace(record, manifest=manifest),)
            patched.setattr(PluginHost, "records", property(lambda self: blind))
            assert bench.run(PACK).unchecked is not None
        executed = bench.run(PACK)
        assert executed.unchecked is None
        assert executed.steps[0].cached
        assert bench.steps.made == ["pack"]
        assert bench.run(PACK).steps[0].check == executed.steps[0].check


class TestData:
    TUNED = INT8.model_copy(update={"capability": "tuned"})

    @pytest.fixture
    def data(self, tmp_path: Path) -> Dataset:
        return parts.vectors(tmp_path / "data", {"tune": 6, "test": 9})

    def test_a_step_that_needs_rows_gets_them_and_says_so(
        self, bench: Bench, data: Dataset
    ) -> None:
        made = bench.run(self.TUNED, data=data).artifact
        assert 0 <= made.manifest.facts["score"] <= 1  # type: ignore[operator]
        assert made.manifest.lineage[-1].dataset == data.digest

    def test_a_step_that_needs_none_is_the_same_with_any(self, bench: Bench, data: Dataset) -> None:
        bench.run(INT8)
        assert bench.run(INT8, data=data).steps[0].cached

    def test_test_rows_are_not_shown(
        self, bench: Bench, data: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handed: list[Dataset] = []
        real = PluginHost.call

        def call(self: PluginHost, *args: Any, **named: Any) -> Any:
            handed.append(named["data"])
            return real(self, *args, **named)

        monkeypatch.setattr(PluginHost, "call", call)
        bench.run(self.TUNED, data=data)
        (seen,) = handed
        assert dict(seen.info.rows) == {"tune": 6}
        assert not list(seen.path.rglob("test"))


class TestReferenceModel:
    def test_is_loaded_once_and_freed_in_the_end(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = self.watch(monkeypatch, bench.source)
        with bench.pipeline() as pipeline:
            for note in (compiled("pack"), compiled("pack")):
                pipeline.execute(plan(note, source=bench.source))
            with pytest.raises(ToleranceExceeded):
                pipeline.execute(plan(compiled("off"), source=bench.source))
            assert len(loaded) == 1
            loaded[0]({"x": np.zeros((1, 4), np.float32)})
        with pytest.raises(UserError, match="the model is closed"):
            loaded[0]({"x": np.zeros((1, 4), np.float32)})

    def test_one_whose_process_died_is_loaded_again(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = self.watch(monkeypatch, bench.source)
        dead = threading.Event()
        real = execute.Oracle._compare

        def compare(oracle: Any, *args: Any) -> Any:
            if not dead.is_set():
                dead.set()

                def die(*_: Any) -> Any:
                    raise PluginError("its process was killed", plugin="steps")

                oracle._parent(bench.source, ())._call = die
            return real(oracle, *args)

        monkeypatch.setattr(execute.Oracle, "_compare", compare)
        with bench.pipeline() as pipeline:
            with pytest.raises(PluginError, match="its process was killed"):
                pipeline.execute(plan(PACK, source=bench.source))
            assert pipeline.execute(plan(PACK, source=bench.source)).unchecked is None
        assert len(loaded) == 2

    def watch(self, monkeypatch: pytest.MonkeyPatch, source: Artifact) -> list[Any]:
        """Models of the source, as they are loaded."""
        loaded: list[Any] = []
        real = PluginHost.run

        def run(self: PluginHost, plugin: str, artifact: Artifact, **named: Any) -> Any:
            model = real(self, plugin, artifact, **named)
            if artifact.digest == source.digest:
                loaded.append(model)
            return model

        monkeypatch.setattr(PluginHost, "run", run)
        return loaded


class TestKey:
    def test_is_that_of_the_lineage(self, bench: Bench) -> None:
        executed = bench.run(INT8)
        assert executed.steps[0].key == step_key(
            executed.artifact.manifest.lineage[-1], bench.source.digest
        )
        assert executed.artifact.path.name == executed.steps[0].key

    @pytest.mark.parametrize(
        "change",
        [
            {"hook": "compile"},
            {"plugin": "other"},
            {"version": "1.0.1"},
            {"capability": "int4"},
            {"options": {"group": 32}},
            {"options": {"group": 64}},
            {"target": "00ff"},
            {"seed": 1},
            {"dataset": "da7a"},
            {"parent": "ba5e"},
            {"libraries": {"acme-lib": "1"}},
            {"libraries": {"acme-lib": "2"}},
        ],
        ids=str,
    )
    def test_depends_on_every_input_of_a_step(self, change: dict[str, Any]) -> None:
        keys = {step_key(parts.step(), "0r1g"), step_key(parts.step(options={}), "0r1g")}
        assert len(keys) == 1
        assert step_key(parts.step(**change), "0r1g") not in keys

    def test_no_two_inputs_are_taken_for_each_other(self) -> None:
        alike = [{"target": "ab"}, {"parent": "ab"}, {"dataset": "ab"}, {"options": {"a": "ab"}}]
        assert len({step_key(parts.step(**change), "0r1g") for change in alike}) == len(alike)

    def test_depends_on_the_original(self) -> None:
        assert step_key(parts.step(), "0r1g") != step_key(parts.step(), "0ther")

    def test_depends_on_the_contract(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = step_key(parts.step(), "0r1g")
        monkeypatch.setattr(execute, "CONTRACT_VERSION", "9.9")
        assert step_key(parts.step(), "0r1g") != before

    @pytest.mark.parametrize(
        "change",
        [
            lambda bench, data: bench.run(int8(note="other")),
            lambda bench, data: bench.run(INT8, seed=1),
            lambda bench, data: bench.run(INT8, target=Target(features=("sve",))),
            lambda bench, data: bench.run(TestData.TUNED, data=data),
        ],
        ids=["options", "seed", "target", "data"],
    )
    def test_other_inputs_run_the_step_again(
        self, bench: Bench, tmp_path: Path, change: Callable[..., Executed]
    ) -> None:
        data = parts.vectors(tmp_path / "data", {"tune": 6})
        bench.run(INT8)
        assert not change(bench, data).steps[0].cached
        assert change(bench, data).steps[0].cached

    def test_another_source_runs_the_step_again(self, bench: Bench, tmp_path: Path) -> None:
        bench.run(INT8)
        bench.source = parts.linear(tmp_path / "other", seed=1)
        assert not bench.run(INT8).steps[0].cached


class TestFullDisk:
    MESSAGE = r"the disk that holds the cache .* is full"

    def test_a_disk_that_is_too_small(self, bench: Bench, tmp_path: Path) -> None:
        with parts.small_disk(tmp_path / "small", "4m") as root:
            bench.cache = Cache(root / "cache")
            with pytest.raises(DiskFull, match=self.MESSAGE) as caught:
                bench.run(int8(fault="disk"))
            assert caught.value.hint is not None
            assert "hwcore cache prune" in caught.value.hint
            assert caught.value.exit_code == 2
            assert bench.kept == []
            bench.run(INT8)  # there is room again: what was half done is gone

    def test_a_disk_that_is_full_when_the_core_writes(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Stands for a disk that fills up between the plugin's last file and the core's first.
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(execute, "write_atomic", full)
        with pytest.raises(DiskFull, match=self.MESSAGE):
            bench.run(INT8)
        assert bench.kept == []

    def test_an_error_that_does_not_say_so(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Stands for a library that makes "protobuf error" of it: less than 1 MiB is free.
        usage = type("usage", (), {"free": 1000})
        monkeypatch.setattr(execute.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(DiskFull, match=self.MESSAGE):
            bench.run(int8(fault="raise"))

    def test_an_error_with_room_left_is_itself(self, bench: Bench) -> None:
        with pytest.raises(PluginError, match="upside down"):
            bench.run(int8(fault="raise"))
