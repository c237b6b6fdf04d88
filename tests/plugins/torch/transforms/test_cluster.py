"""The row ``cluster``, called as the host calls it, and by its command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch
from command import Command
from engine_steps import SIZES, RecordingContext, Steps, inputs_of, relative

from core_plugin_torch import program as programs
from core_plugin_torch.weights import stored
from hwcore.contract import Artifact, Cancelled, UserError
from hwcore.transformers import read_source, read_tensors

Source = Callable[..., Artifact]
HIDDEN, INNER, LAYERS = 32, 64, 2
WEIGHTS = LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
"""In the linear layers of the tiny models' blocks."""


def _packed(artifact: Artifact) -> list[torch.Tensor]:
    held = stored(programs.read(artifact))
    return [tensor for name, tensor in held.items() if name.endswith("packed")]


@pytest.mark.parametrize("family", models.FAMILIES)
@pytest.mark.parametrize("bits", [3, 8])
def test_a_model_becomes_codes_of_that_many_bits(
    bits: int, family: models.Family, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family)
    exact = steps("export", source)
    made = steps("cluster", source, {"bits": bits})
    assert made.format == "torch-export"
    assert made.traits.quantization == "codebook-weights"
    assert made.component().signature == source.component().signature
    packed = _packed(made)
    assert len(packed) == 12
    assert sum(tensor.nbytes for tensor in packed) == WEIGHTS * bits // 8
    facts: Any = made.manifest.facts
    before: Any = exact.manifest.facts
    assert facts["parameters"] == before["parameters"]
    assert facts["ops_quantized"] == 12
    other = 12 * (4 * 2**bits + 16)
    assert facts["weight_bytes"] == before["weight_bytes"] - 4 * WEIGHTS + WEIGHTS * bits // 8 + (
        other
    )
    assert facts["bits_per_weight"] == facts["weight_bytes"] * 8 / facts["parameters"]
    clusters = facts["clusters"].values()
    assert {(fact["bits"], fact["codebooks"]) for fact in clusters} == {(bits, 1)}
    assert max(fact["error"] for fact in clusters) < {3: 0.25, 8: 0.01}[bits]
    for batch, sequence in SIZES[::2]:
        inputs = inputs_of(source.component().signature, batch, sequence)
        found = relative(steps.run(exact)(inputs), steps.run(made)(inputs))
        assert 0 < found < {3: 2, 8: 0.08}[bits]


def test_the_error_in_the_facts_is_that_of_the_weights(tiny_source: Source, steps: Steps) -> None:
    """A program of one clustered layer gives the layer's weight back."""
    source = tiny_source("bert")
    made = steps("cluster", source, {"bits": 2, "include": ["classifier"], "rows": 1})
    facts: Any = made.manifest.facts["clusters"]
    weight = dict(read_tensors(source))["classifier.weight"]
    [books] = [t for n, t in stored(programs.read(made)).items() if n.endswith("codebooks")]
    assert books.shape == (2, 4)
    nearest = np.abs(weight[:, :, None] - books.numpy()[:, None]).min(-1)
    expected = np.linalg.norm(nearest) / np.linalg.norm(weight)
    assert facts["classifier"]["error"] == pytest.approx(expected, rel=1e-4)
    assert facts["classifier"]["codebooks"] == 2


def test_everything_can_be_clustered(tiny_source: Source, steps: Steps) -> None:
    for family in ("bert", "vit"):
        source = tiny_source(family)
        made = steps("cluster", source, {"bits": 6, "include": ["*"]})
        assert made.manifest.facts["bits_per_weight"] < 9  # type: ignore[operator]
        inputs = inputs_of(source.component().signature)
        exact = steps.run(steps("export", source))(inputs)
        assert relative(exact, steps.run(made)(inputs)) < 0.3


def test_layers_that_share_weights_still_do(steps: Steps, tmp_path: Path) -> None:
    source = read_source(models.albert(tmp_path / "albert"), into=tmp_path / "source")
    exact = steps("export", source)
    made = steps("cluster", source)
    assert made.manifest.facts["parameters"] == exact.manifest.facts["parameters"]
    assert made.manifest.facts["ops_quantized"] == 4 * 6
    assert len(_packed(made)) == 6


def test_zeros_stay_zero_and_their_trait_stays(tiny_source: Source, steps: Steps) -> None:
    sparse = steps("magnitude", tiny_source("bert"), {"pattern": "1x4", "share": 0.75})
    assert sparse.traits.sparsity is not None
    made = steps("cluster", sparse, {"bits": 3})
    assert made.traits.sparsity == sparse.traits.sparsity
    before = dict(read_tensors(sparse))
    held = stored(programs.read(made))
    for name, fact in made.manifest.facts["clusters"].items():  # type: ignore[union-attr]
        assert fact["error"] < 0.2
        flat = "b_model_" + name.replace(".", "_") + "_clustered_"
        byte, low = (held[flat + part] for part in ("byte", "low"))
        weight = before[f"{name}.weight"]
        from core_plugin_torch.cluster.packing import unpack

        codes = unpack(held[flat + "packed"], weight.shape[1], 3, byte, low)
        assert np.array_equal(codes.numpy() == 0, weight == 0)
        assert held[flat + "codebooks"][0, 0] == 0


@pytest.mark.slow  # half a minute: a program is compiled
def test_the_compiled_program_answers_alike(tiny_source: Source, steps: Steps) -> None:
    made = steps("cluster", tiny_source("bert"), {"bits": 3, "include": ["*.layer.0", "*.word_*"]})
    library = steps("aoti", made)
    for batch, sequence in SIZES[:3]:
        inputs = inputs_of(made.component().signature, batch, sequence)
        found = relative(steps.run(made)(inputs), steps.run(library, "compiled")(inputs))
        assert found < 1e-5


def test_it_stops_when_asked(tiny_source: Source, steps: Steps) -> None:
    for stop_after in (0, 1, 5):
        ctx = RecordingContext(stop_after=stop_after)
        with pytest.raises(Cancelled, match="the clustering was stopped"):
            steps("cluster", tiny_source("bert"), ctx=ctx)
        assert ctx.asked == stop_after + 1


def test_it_is_quiet_and_leaves_the_process_and_the_model_as_they_were(
    tiny_source: Source, steps: Steps, capfd: pytest.CaptureFixture[str]
) -> None:
    source, ctx = tiny_source("bert"), RecordingContext(threads=1)
    files = {path.name: path.read_bytes() for path in source.root.iterdir()}
    capfd.readouterr()
    before = (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level)
    first = steps("cluster", source, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level) == before
    assert {path.name: path.read_bytes() for path in source.root.iterdir()} == files
    assert ctx.fractions == sorted(ctx.fractions)
    assert (ctx.fractions[0], ctx.fractions[-1]) == (0, 1)
    assert len(set(ctx.fractions)) > 12
    assert first.digest == steps("cluster", source, ctx=RecordingContext(threads=1)).digest


def test_what_does_not_fit_is_said(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    with pytest.raises(UserError, match="no layer is called 'classifer'") as error:
        steps("cluster", source, {"include": ["classifer"]})
    assert str(error.value.hint).startswith("Near names: classifier")
    with pytest.raises(UserError, match="no layer would be smaller: codebooks of 256 values"):
        steps("cluster", source, {"bits": 8, "rows": 1})


def test_the_command(tiny: Callable[..., Path], tmp_path: Path) -> None:
    """``hwcore quantize`` writes a program that is checked; bits are from 2 to 8."""
    hwcore, out = Command(tmp_path / "cache", {"HWCORE_PLUGINS": "torch"}), tmp_path / "small"
    how = (tiny("bert"), "--plugin", "torch", "--capability", "cluster")
    manifest = hwcore("quantize", *how, "-o", "bits=3", "--out", out, "--json").check().json()
    assert manifest["format"] == "torch-export"
    assert manifest["traits"]["quantization"] == "codebook-weights"
    for bits in (1, 9):
        hwcore("quantize", *how, "-o", f"bits={bits}", "--out", tmp_path / "x").refused(2, "bits")
