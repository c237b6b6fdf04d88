"""Reading what an artifact's files hold, without the plugin or the framework that wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hwcore_conformance.exported_program import arrays


class Model(torch.nn.Module):
    """Tensors of all kinds: a weight, one stored sideways, codes, halves, and a number alone."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(3, 4, generator=generator))
        self.register_buffer("sideways", torch.randn(5, 3, generator=generator).t())
        self.register_buffer("codes", torch.arange(12, dtype=torch.uint8).reshape(3, 4))
        self.register_buffer("narrow", torch.arange(-6, 6, dtype=torch.int8).reshape(3, 4))
        self.register_buffer("narrowed", torch.randn(4, generator=generator).bfloat16())
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = (self.weight + self.codes + self.narrow) * self.scale * self.narrowed
        return (x @ weight.t()) @ self.sideways


@pytest.mark.filterwarnings("ignore:No complete tensor")  # the one that is stored sideways
def test_an_exported_program_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    model = Model()
    program = torch.export.export(model, (torch.ones(2, 4),))
    torch.export.save(program, tmp_path / "model.pt2")
    found = dict(arrays(tmp_path / "model.pt2"))
    expected = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found[name].astype(np.float32), tensor.float().numpy())
