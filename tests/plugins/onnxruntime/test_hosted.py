"""The plugin behind both doors of the host, as a pipeline uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import models
import numpy as np
import pytest
from onnxruntime_steps import torch_runner, worst_error

from hwcore.artifacts import seal
from hwcore.contract import (
    Artifact,
    Dataset,
    LineageStep,
    PluginError,
    Target,
    UserError,
    WorkHook,
)
from hwcore.data import build_dataset, visible
from hwcore.host import Event, LogEvent, PluginHost, ProgressEvent, discover
from hwcore.host.manager import DoorKind


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=["in-process", "worker"])
def host(request: pytest.FixtureRequest, events: list[Event]) -> Iterator[PluginHost]:
    door: DoorKind = request.param
    with PluginHost(discover(allow=("onnxruntime",)), door=door, on_event=events.append) as host:
        yield host


def test_every_step_through_the_host(
    host: PluginHost,
    events: list[Event],
    tiny_source: Callable[..., Artifact],
    target: Target,
    tmp_path: Path,
) -> None:
    source = tiny_source("distilbert")
    texts = models.write_csv(tmp_path / "texts.csv", models.reviews(40))
    data = visible(build_dataset(texts, source, out=tmp_path / "data", rows={"calibration": 40}))

    def step(
        hook: WorkHook, capability: str, parent: Artifact, data: Dataset | None = None
    ) -> Artifact:
        out = tmp_path / f"{capability}-{parent.digest[:8]}"
        out.mkdir()
        draft = host.call(
            hook,
            "onnxruntime",
            source=parent,
            capability=capability,
            options={},
            data=data,
            target=target,
            reference=source,
            out=out,
        )
        lineage = LineageStep(hook=hook, plugin="onnxruntime", version="0", capability=capability)
        return seal(out, draft, parent, lineage)

    exported = step("export", "onnx", source)
    fused = step("compile", "fused", exported)
    int8 = step("quantize", "int8-dynamic", exported)
    smooth = step("quantize", "int8-dynamic-smooth", exported, data)
    made = [exported, fused, int8, smooth, step("compile", "fused", smooth)]
    truth, signature = torch_runner(source), source.component().signature
    for artifact, bound in zip(made, (1e-4, 1e-4, 1, 1, 1), strict=True):
        with host.run(
            "onnxruntime", artifact, capability="cpu", options={"threads": 1}, target=target
        ) as model:
            assert worst_error(model, truth, signature) < bound
    assert not [event for event in events if isinstance(event, LogEvent)]
    assert {event.hook for event in events if isinstance(event, ProgressEvent)} == {
        "export",
        "compile",
        "quantize",
    }


def test_a_wrong_option_is_named(
    host: PluginHost, tiny_source: Callable[..., Artifact], target: Target
) -> None:
    with pytest.raises(UserError, match="there is no option 'thread', did you mean 'threads'"):
        host.run(
            "onnxruntime",
            tiny_source("bert"),
            capability="cpu",
            options={"thread": 1},
            target=target,
        )


def test_a_file_that_is_no_model_is_the_plugins_error(
    host: PluginHost, tiny_source: Callable[..., Artifact], target: Target, tmp_path: Path
) -> None:
    source = tiny_source("bert")
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    component = source.component().model_copy(update={"file": "model.onnx"})
    manifest = source.manifest.model_copy(
        update={"format": "onnx", "components": {"model": component}, "location": None}
    )
    broken = Artifact(path=tmp_path, manifest=manifest)
    with pytest.raises(PluginError, match=r"plugin onnxruntime .*hook run: .*model\.onnx"):
        host.run("onnxruntime", broken, capability="cpu", options={}, target=target)


def test_the_worker_does_not_load_torch_to_run(
    tiny_source: Callable[..., Artifact], steps: object, target: Target
) -> None:
    """Peak memory tells: torch alone would take more than this whole worker."""
    from onnxruntime_steps import Steps

    assert isinstance(steps, Steps)
    exported = steps.do("onnx", tiny_source("bert"))
    with (
        PluginHost(discover(allow=("onnxruntime",))) as host,
        host.run("onnxruntime", exported, capability="cpu", options={}, target=target) as model,
    ):
        model(
            {
                name: np.ones((1, 4), np.int64)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            }
        )
        assert model.peak_rss() < 200 << 20
