"""The rows ``low-rank`` and ``low-rank-data``, called as the host calls them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import models
import pytest
import torch
from engine_steps import RecordingContext, Steps, inputs_of, relative

from core_plugin_torch import program as programs
from core_plugin_torch.weights import stored
from hwcore.contract import Artifact, Cancelled, Dataset, UserError
from hwcore.data import batches

Source = Callable[..., Artifact]


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_model_becomes_a_smaller_program(
    family: models.Family, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family)
    exact = steps("export", source)
    made = steps("low-rank", source)
    assert made.format == "torch-export"
    assert made.traits == source.traits
    assert made.component().signature == source.component().signature
    facts: Any = made.manifest.facts
    ranks = facts["low_rank"]
    assert len(ranks) == 12
    assert {fact["rank"] for fact in ranks.values()} == {8, 10}  # 32 × 32, and 32 × 64
    assert all(0.5 < fact["energy"] < 1 for fact in ranks.values())
    saved = 8 * (32 * 32 - 8 * 64) + 4 * (32 * 64 - 10 * 96)
    assert exact.manifest.facts["parameters"] - facts["parameters"] == saved  # type: ignore[operator]
    assert facts["weight_bytes"] == 4 * facts["parameters"]
    assert facts["bits_per_weight"] == 32
    assert made.size_bytes < exact.size_bytes + 20_000  # the graph has twelve layers more
    inputs = inputs_of(source.component().signature)
    assert 0 < relative(steps.run(exact)(inputs), steps.run(made)(inputs)) < 3


def test_the_factors_are_in_the_program(tiny_source: Source, steps: Steps) -> None:
    made = steps("low-rank", tiny_source("bert"), {"rank": 3, "include": ["*.intermediate.dense"]})
    facts: Any = made.manifest.facts["low_rank"]
    assert list(facts) == [f"bert.encoder.layer.{n}.intermediate.dense" for n in (0, 1)]
    assert {(fact["rank"], fact["parameters"]) for fact in facts.values()} == {(3, 3 * 96)}
    held = stored(programs.read(made))
    shapes = {name: tuple(tensor.shape) for name, tensor in held.items() if "intermediate" in name}
    for layer in (0, 1):
        prefix = f"p_model_bert_encoder_layer_{layer}_intermediate_dense_"
        assert shapes[f"{prefix}inner_weight"] == (3, 32)
        assert shapes[f"{prefix}outer_weight"] == (64, 3)
    assert len(shapes) == 6  # and the biases


def test_a_model_of_all_its_energy_answers_as_before(tiny_source: Source, steps: Steps) -> None:
    """Factors of the first one's ranks are all the energy that its products have."""
    source = tiny_source("bert")
    exact = steps("export", source)
    inputs = inputs_of(source.component().signature)
    expected = steps.run(exact)(inputs)
    errors = [
        relative(expected, steps.run(steps("low-rank", source, {"rank": rank}))(inputs))
        for rank in (4, 8, 15)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * errors[0]


def test_calibration_rows_pay(
    tiny_source: Source, rows: Dataset, calibration: Dataset, steps: Steps
) -> None:
    """On rows like those, their factors stay closer to the model than those of the weights."""
    source = tiny_source("bert")
    runners = {
        "exact": steps.run(steps("export", source)),
        "low-rank": steps.run(steps("low-rank", source)),
        "low-rank-data": steps.run(steps("low-rank-data", source, data=calibration)),
    }
    signature = source.component().signature
    [batch] = batches(rows, "test", batch_size=40, signature=signature)
    answers = {name: runner(batch.inputs) for name, runner in runners.items()}
    plain, aware = (relative(answers["exact"], answers[n]) for n in ("low-rank", "low-rank-data"))
    assert aware < 0.8 * plain


def test_int8_follows(tiny_source: Source, steps: Steps) -> None:
    made = steps("low-rank", tiny_source("bert"))
    small = steps("int8-dynamic", made, {"exclude": ["*.layer.1"]})
    assert small.manifest.facts["ops_quantized"] == 6 * 2 + 2  # and what is outside of the blocks
    inputs = inputs_of(made.component().signature)
    assert relative(steps.run(made)(inputs), steps.run(small)(inputs)) < 0.2


@pytest.mark.parametrize("capability", ["low-rank", "low-rank-data"])
def test_it_stops_when_asked(
    capability: str, tiny_source: Source, calibration: Dataset, steps: Steps
) -> None:
    for stop_after in (0, 1, 5):
        ctx = RecordingContext(stop_after=stop_after)
        with pytest.raises(Cancelled, match="the factorization was stopped"):
            steps(capability, tiny_source("bert"), data=calibration, ctx=ctx)
        assert ctx.asked == stop_after + 1


@pytest.mark.parametrize("capability", ["low-rank", "low-rank-data"])
def test_it_is_quiet_and_leaves_the_process_and_the_model_as_they_were(
    capability: str,
    tiny_source: Source,
    calibration: Dataset,
    steps: Steps,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source, ctx = tiny_source("bert"), RecordingContext(threads=1)
    files = {path.name: path.read_bytes() for path in source.root.iterdir()}
    capfd.readouterr()
    before = (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level)
    first = steps(capability, source, data=calibration, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level) == before
    assert {path.name: path.read_bytes() for path in source.root.iterdir()} == files
    assert ctx.fractions == sorted(ctx.fractions)
    assert (ctx.fractions[0], ctx.fractions[-1]) == (0, 1)
    assert len(set(ctx.fractions)) > 12
    again = steps(capability, source, data=calibration, ctx=RecordingContext(threads=1))
    assert first.digest == again.digest


def test_what_does_not_fit_is_said(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    with pytest.raises(UserError, match="no layer is called 'classifer'") as error:
        steps("low-rank", source, {"include": ["classifer"]})
    assert str(error.value.hint).startswith("Near names: classifier")
    with pytest.raises(UserError, match=r"rank is 33, and bert\.encoder\.layer\.0\.att"):
        steps("low-rank", source, {"rank": 33})
    with pytest.raises(UserError, match=r"no layer would be smaller: energy=0\.999 "):
        steps("low-rank", source, {"energy": 0.999})


def test_no_calibration_rows_is_said(
    tiny_source: Source, calibration: Dataset, steps: Steps
) -> None:
    info = calibration.info.model_copy(update={"rows": {"tune": 3}})
    for given in (None, calibration.model_copy(update={"info": info})):
        with pytest.raises(UserError, match="reads calibration rows, and there are none") as error:
            steps("low-rank-data", tiny_source("bert"), data=given, ctx=RecordingContext())
        assert "or choose low-rank" in str(error.value.hint)
