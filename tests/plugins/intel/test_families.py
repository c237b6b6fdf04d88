"""Models that read what was replaced in them: a table, or the dtype of a weight."""

from __future__ import annotations

from collections.abc import Callable

import intel_models
import pytest
import torch
from intel_steps import Steps, error, exported, loaded

from core_plugin_intel import modules
from hwcore.contract import Artifact, Dataset
from hwcore.transformers import read_source

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]


def test_a_model_of_images_is_stored_in_bfloat16(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """It reads the dtype of its convolution's weight."""
    source, name = tiny_source("vit"), "vit.embeddings.patch_embeddings.projection"
    made = steps("bf16", source)
    assert made.manifest.facts["ops_quantized"] == 14
    assert error(source, loaded(made), tiny_data("vit")) < 0.05
    left = steps("bf16", source, float_layers=[name])
    assert left.manifest.facts["ops_quantized"] == 13
    assert exported(left).state_dict[f"model.{name}.weight"].dtype == torch.float32


@pytest.fixture(scope="module")
def deberta(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("deberta")
    return read_source(intel_models.deberta(root / "model"), into=root / "source")


@pytest.fixture(scope="module")
def deberta_data(deberta: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return intel_models.dataset(deberta, tmp_path_factory.mktemp("deberta-data"))


@pytest.mark.parametrize(
    ("capability", "limit"),
    [
        ("bf16", 0.1),
        ("int8-weights", 0.1),
        ("int8-static", 0.3),
        ("int8-dynamic", 0.2),
        ("int4-rtn", 0.7),
        ("int4-gptq", 0.7),
    ],
)
def test_deberta_reads_its_table_of_relative_positions(
    capability: str, limit: float, deberta: Artifact, deberta_data: Dataset, steps: Steps
) -> None:
    reads = deberta_data if capability in ("int8-static", "int4-gptq") else None
    made = steps(capability, deberta, reads)
    assert error(deberta, loaded(made), deberta_data) < limit


def test_tables_of_other_classes_are_left() -> None:
    class Scaled(torch.nn.Embedding):  # type: ignore[misc]
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return 3 * super().forward(ids)

    module = torch.nn.ModuleList([Scaled(4, 8), torch.nn.Embedding(4, 8)])
    table = module[1].weight.detach().clone()
    modules.narrow_embeddings(module)
    assert [type(layer) for layer in module] == [Scaled, modules.Int8Embedding]
    torch.testing.assert_close(module[1].weight, table, rtol=0, atol=0.02)
