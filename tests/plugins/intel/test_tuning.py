"""Accuracy-aware tuning: on a model that int8 breaks, and on one that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import models
import numpy as np
import pytest
import torch
from intel_steps import RecordingContext, Steps, tensors

from core_plugin_intel.int8 import Float32
from core_plugin_intel.options import StaticOptions, TunedOptions
from core_plugin_intel.tuning import variants
from hwcore.contract import Artifact, Cancelled, Dataset, PluginError, Predict, UserError
from hwcore.data import batches, build_dataset, visible
from hwcore.transformers import load_module, read_source

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]


@pytest.fixture(scope="module")
def outliers(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A BERT some of whose values are 100 times the others', as what reads them makes up for.

    In float32 it answers as it did before; a range for the whole tensor leaves few steps for
    the other channels.
    """
    from transformers import BertForSequenceClassification

    folder = models.tiny("bert", tmp_path_factory.mktemp("outliers") / "model")
    model = BertForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            value, output = layer.attention.self.value, layer.attention.output.dense
            value.weight[::8] *= 100
            value.bias[::8] *= 100
            output.weight[:, ::8] /= 100
    model.save_pretrained(folder)
    return read_source(folder, into=tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def data(outliers: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("data")
    material = models.write_csv(root / "texts.csv", models.reviews(140))
    rows = {"calibration": 24, "tune": 100}
    return visible(build_dataset(material, outliers, out=root / "dataset", rows=rows))


def agreement(source: Artifact, data: Dataset) -> Callable[[Predict], float]:
    """Share of rows that a model answers as the float32 one does."""
    reference = load_module(source)

    def score(predict: Predict) -> float:
        hits = []
        for batch in batches(data, "tune", batch_size=20):
            with torch.no_grad():
                expected = reference(*tensors(source, batch.inputs))[0].numpy()
            found = predict(batch.inputs)["logits"]
            hits += list(expected.argmax(1) == found.argmax(1))
        return float(np.mean(hits))

    return score


def test_the_outlier_model_is_saved_within_ten_trials(
    outliers: Artifact, data: Dataset, steps: Steps
) -> None:
    ctx = RecordingContext(scoring=agreement(outliers, data))
    made = steps("int8-tuned", outliers, data, ctx)
    trials = [line for _, line in ctx.lines if line.startswith("trial")]
    assert 1 < len(trials) <= 10
    assert float(trials[0].split(": ")[2].split(",")[0]) < 0.99, "int8 as it is would have done"
    assert not [level for level, _ in ctx.lines if level == "warning"]
    assert made.traits.quantization == "int8-static"
    assert ctx.fractions == sorted(ctx.fractions)


def test_layers_are_left_where_smoothing_is_not_allowed(
    outliers: Artifact, data: Dataset, steps: Steps
) -> None:
    """The two layers that read the outliers are the ones to leave."""
    ctx = RecordingContext(scoring=agreement(outliers, data))
    made = steps("int8-tuned", outliers, data, ctx, try_smoothing=False, max_trials=6)
    last = [line for _, line in ctx.lines if line.startswith("trial")]
    assert any("attention.output.dense" in line for line in last), last
    assert 1 <= 14 - int(made.manifest.facts["ops_quantized"]) <= 4  # type: ignore[call-overload]


def test_a_model_that_int8_does_not_hurt_takes_one_trial(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source = tiny_source("bert")
    ctx = RecordingContext(scoring=lambda predict: 0.9)
    made = steps("int8-tuned", source, tiny_data("bert"), ctx)
    assert [line for _, line in ctx.lines] == [
        "trial 1: minmax, 0 layers in float32: 0.9000, and 0.9000 in float32"
    ]
    assert made.manifest.facts["ops_quantized"] == 14


def test_where_nothing_will_do_the_best_is_kept_with_a_warning(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    scores = iter([1.0, 0.3, 0.6, 0.5])
    ctx = RecordingContext(scoring=lambda predict: next(scores))
    made = steps("int8-tuned", tiny_source("bert"), tiny_data("bert"), ctx, max_trials=3)
    assert ctx.lines[-1] == (
        "warning",
        "none of 3 trials scored 0.9900 or more: the best of them, 0.6000, is kept",
    )
    plain = steps("int8-static", tiny_source("bert"), tiny_data("bert"), smooth_alpha=0.5)
    same = {"int8-tuned": made, "int8-static": plain}
    assert len({a.manifest.files["model.pt2"].sha256 for a in same.values()}) == 1


def test_one_layer_stays_quantized_whatever_is_left(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """Layers that the options leave are none of those that trials can leave."""
    scores = iter([1.0, *(0.1 * trial for trial in range(1, 10))])
    ctx = RecordingContext(scoring=lambda predict: next(scores))
    made = steps(
        "int8-tuned",
        tiny_source("bert"),
        tiny_data("bert"),
        ctx,
        float_layers=[r"bert\.encoder\..*"],
        try_smoothing=False,
    )
    assert made.manifest.facts["ops_quantized"] == 1  # of the pooler and the classifier
    assert [line.split(": ")[0] for _, line in ctx.lines[:-1]] == ["trial 1", "trial 2"]
    assert ctx.lines[-1] == (
        "warning",
        "none of 2 trials scored 0.9900 or more: the best of them, 0.2000, is kept",
    )


def test_without_a_layer_to_quantize_no_trial_is_made(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    ctx = RecordingContext(scoring=lambda predict: 1.0)
    with pytest.raises(PluginError, match="there is no layer left to quantize"):
        steps("int8-tuned", tiny_source("bert"), tiny_data("bert"), ctx, float_layers=[".*"])
    assert ctx.lines == []


def test_a_trial_that_fails_leaves_the_best_before_it(
    tiny_source: Source, tiny_data: Data, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_whole = Float32.static

    def fails(self: Float32, *args: Any, left: frozenset[str], **kwargs: Any) -> Any:
        if left:
            raise PluginError("the quantizer has lost a layer")
        return made_whole(self, *args, left=left, **kwargs)

    monkeypatch.setattr(Float32, "static", fails)
    scores = iter([1.0, 0.3])
    ctx = RecordingContext(scoring=lambda predict: next(scores))
    made = steps("int8-tuned", tiny_source("bert"), tiny_data("bert"), ctx, try_smoothing=False)
    assert made.manifest.facts["ops_quantized"] == 14
    assert [line for level, line in ctx.lines if level == "warning"] == [
        "trial 2 cannot be made, and is the last: the quantizer has lost a layer",
        "none of 2 trials scored 0.9900 or more: the best of them, 0.3000, is kept",
    ]


def test_time_is_bounded(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    scores = iter([1.0, 0.1])
    ctx = RecordingContext(scoring=lambda predict: next(scores))
    steps("int8-tuned", tiny_source("bert"), tiny_data("bert"), ctx, timeout=1e-6)
    assert len([line for _, line in ctx.lines if line.startswith("trial")]) == 1


def test_it_stops_while_it_scores(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    source, data = tiny_source("bert"), tiny_data("bert")
    ctx = RecordingContext(stop_after=3, scoring=agreement(source, data))
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps("int8-tuned", source, data, ctx)


def test_rows_without_labels_are_said_by_who_scores(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    def refuse(predict: Predict) -> float:
        raise UserError("the dataset has no labels", hint="Give some.")

    with pytest.raises(UserError, match="the dataset has no labels"):
        steps(
            "int8-tuned", tiny_source("bert"), tiny_data("bert"), RecordingContext(scoring=refuse)
        )


def test_variants_are_those_that_were_asked_for() -> None:
    assert [v.smooth_alpha for v in variants(TunedOptions(act_algo="kl"))] == [None, 0.5, 0.8]
    assert [v.smooth_alpha for v in variants(TunedOptions(try_smoothing=False))] == [None]
    assert variants(TunedOptions(act_algo="kl", smooth_alpha=0.3, max_trials=2)) == [
        StaticOptions(act_algo="kl", smooth_alpha=0.3)
    ]
