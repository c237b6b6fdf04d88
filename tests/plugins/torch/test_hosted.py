"""The plugin behind both doors of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from hwcore.contract import Artifact, Target, UserError
from hwcore.data import example_inputs
from hwcore.host import PluginHost, discover, local_cpu
from hwcore.host.manager import DoorKind
from hwcore.transformers import load_module

TARGET = Target.of(local_cpu())


@pytest.fixture(params=["in-process", "worker"])
def host(request: pytest.FixtureRequest) -> Iterator[PluginHost]:
    door: DoorKind = request.param
    with PluginHost(discover(allow=("torch",)), door=door) as host:
        yield host


def test_it_runs(host: PluginHost, tiny_source: Callable[..., Artifact]) -> None:
    source = tiny_source("bert")
    inputs = example_inputs(source.component().signature)
    module = load_module(source)
    with torch.inference_mode():
        [expected] = module(*[torch.from_numpy(array) for array in inputs.values()])
    with host.run("torch", source, capability="eager", options={}, target=TARGET) as model:
        np.testing.assert_allclose(model(inputs)["logits"], expected.numpy(), rtol=0, atol=1e-5)


def test_a_precision_belongs_to_its_row(
    host: PluginHost, tiny_source: Callable[..., Artifact]
) -> None:
    with pytest.raises(UserError, match="option 'precision' is 'bfloat16', expected one of 'float"):
        host.run(
            "torch",
            tiny_source("bert"),
            capability="eager",
            options={"precision": "bfloat16"},
            target=TARGET,
        )
