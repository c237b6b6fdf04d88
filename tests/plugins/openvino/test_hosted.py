"""The plugin behind both doors of the host, as a pipeline uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hwcore.artifacts import seal
from hwcore.contract import Artifact, Dataset, LineageStep, Options, Target, UserError, WorkHook
from hwcore.data import example_inputs
from hwcore.host import PluginHost, discover
from hwcore.host.manager import DoorKind


@pytest.fixture(params=["in-process", "worker"])
def host(request: pytest.FixtureRequest) -> Iterator[PluginHost]:
    door: DoorKind = request.param
    with PluginHost(discover(allow=("openvino",)), door=door) as host:
        yield host


def test_every_step_through_the_host(
    host: PluginHost,
    tiny_source: Callable[..., Artifact],
    tiny_data: Callable[..., Dataset],
    target: Target,
    tmp_path: Path,
) -> None:
    source = tiny_source("distilbert")

    def step(hook: WorkHook, capability: str, parent: Artifact, data: Dataset | None) -> Artifact:
        out = tmp_path / capability
        out.mkdir()
        draft = host.call(
            hook,
            "openvino",
            source=parent,
            capability=capability,
            options={},
            data=data,
            target=target,
            reference=source,
            out=out,
        )
        lineage = LineageStep(hook=hook, plugin="openvino", version="0", capability=capability)
        return seal(out, draft, parent, lineage)

    def outputs(artifact: Artifact, options: Options) -> np.ndarray:
        with host.run(
            "openvino", artifact, capability="cpu", options=options, target=target
        ) as model:
            return model(example_inputs(model.signature))["logits"]

    ir = step("export", "ir", source, None)
    int8 = step("quantize", "int8-ptq", ir, tiny_data("distilbert"))
    blob = step("compile", "blob", int8, None)
    exact, rounded = outputs(ir, {"threads": 1}), outputs(int8, {})
    np.testing.assert_array_equal(outputs(blob, {}), rounded)
    assert not np.array_equal(exact, rounded)


def test_a_wrong_option_is_named(
    host: PluginHost, tiny_source: Callable[..., Artifact], target: Target
) -> None:
    with pytest.raises(UserError, match="there is no option 'thread', did you mean 'threads'"):
        host.run(
            "openvino",
            tiny_source("bert"),
            capability="cpu",
            options={"thread": 1},
            target=target,
        )
