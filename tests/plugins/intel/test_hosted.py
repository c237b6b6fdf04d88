"""The plugin behind both doors of the host; the torch plugin runs what it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hwcore.artifacts import seal
from hwcore.contract import Artifact, Dataset, LineageStep, Target, UserError
from hwcore.data import example_inputs
from hwcore.host import PluginHost, discover, local_cpu
from hwcore.host.manager import DoorKind

Source = Callable[..., Artifact]


@pytest.fixture(params=["in-process", "worker"])
def host(request: pytest.FixtureRequest) -> Iterator[PluginHost]:
    door: DoorKind = request.param
    with PluginHost(discover(allow=("intel", "torch")), door=door) as host:
        yield host


def test_the_torch_plugin_runs_what_it_makes(
    host: PluginHost, tiny_source: Source, tiny_data: Callable[..., Dataset], tmp_path: Path
) -> None:
    source, target = tiny_source("distilbert"), Target.of(local_cpu())

    def outputs(artifact: Artifact, capability: str) -> np.ndarray:
        with host.run("torch", artifact, capability=capability, options={}, target=target) as model:
            return model(example_inputs(model.signature))["logits"]

    expected = outputs(source, "eager")
    for capability, limit in (("int8-static", 0.3), ("int8-weights", 0.1)):
        out = tmp_path / capability
        out.mkdir()
        draft = host.call(
            "quantize",
            "intel",
            source=source,
            capability=capability,
            options={},
            data=tiny_data("distilbert"),
            target=target,
            reference=source,
            out=out,
        )
        step = LineageStep(hook="quantize", plugin="intel", version="0", capability=capability)
        found = outputs(seal(out, draft, source, step), "exported")
        assert 0 < np.linalg.norm(found - expected) < limit * np.linalg.norm(expected)


def test_a_wrong_option_is_named(host: PluginHost, tiny_source: Source, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no option 'group', did you mean 'group_size'"):
        host.call(
            "quantize",
            "intel",
            source=tiny_source("bert"),
            capability="int4-rtn",
            options={"group": 16},
            data=None,
            target=Target.of(local_cpu()),
            reference=tiny_source("bert"),
            out=tmp_path,
        )
