"""The hook on small models: what it finds, what it leaves as it was, what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from sensitivity_steps import BROKEN, CUT, ROWS, ask

from core_plugin_torch.export import capture
from core_plugin_torch.pt2e import layers as pt2e_layers
from core_plugin_torch.sensitivity import measure
from core_plugin_torch.sensitivity.times import PASSES, WARM_UP, shares
from core_plugin_torch.sensitivity.trunk import Trunk
from hwcore.artifacts.digest import file_entries
from hwcore.contract import TREATMENTS, Artifact, Cancelled, Dataset, Sensitivity, UserError
from hwcore.data import batches, build_dataset, visible
from hwcore.host.context import HookContext
from hwcore.host.events import Event, EventSink, ProgressEvent
from hwcore.transformers import load_module, read_source


@pytest.fixture(scope="module")
def found(source: Artifact, rows: Dataset) -> Sensitivity:
    return ask(source, rows)


def test_every_linear_layer_is_put_through_everything(found: Sensitivity, source: Artifact) -> None:
    module = load_module(source).model
    linears = {n: m for n, m in module.named_modules() if isinstance(m, torch.nn.Linear)}
    assert [layer.name for layer in found.layers] == list(linears)
    assert (found.metric, found.rows) == ("accuracy", ROWS)
    assert found.treatments == TREATMENTS
    for layer in found.layers:
        assert layer.parameters == sum(p.numel() for p in linears[layer.name].parameters())
        assert 0 < layer.time_share < 1
    assert sum(layer.time_share for layer in found.layers) < 1


def test_the_more_is_taken_the_larger_the_error(found: Sensitivity) -> None:
    def total(treatment: Any) -> float:
        return sum(layer.error[treatment] for layer in found.layers)

    assert total("int8") < total("int4") < total("zeros-50") < total("zeros-90")


def test_losses_are_those_of_the_model_with_one_layer_changed(
    source: Artifact, rows: Dataset
) -> None:
    """Against the plain way: the model loaded afresh, one weight pruned, all rows one by one."""
    name = "bert.encoder.layer.1.intermediate.dense"
    [layer] = ask(source, rows, include=[name], treatments=["zeros-90"]).layers
    scores, answers = [], []
    for pruned in (False, True):
        module = load_module(source)
        weight = module.model.get_submodule(name).weight
        if pruned:
            share = round(0.9 * weight.numel())
            limit = weight.abs().flatten().kthvalue(share).values
            weight.data = torch.where(weight.abs() > limit, weight, 0.0)
        logits, hits = [], []
        for batch in batches(rows, "tune", batch_size=1):
            inputs = [torch.from_numpy(batch.inputs[s.name]) for s in
                      source.component().signature.inputs]  # fmt: skip
            logits.append(module(*inputs)[0])
            assert batch.labels is not None
            hits.append(int(logits[-1].argmax()) == batch.labels[0])
        scores.append(sum(hits) / len(hits))
        answers.append(torch.cat(logits))
    assert layer.loss["zeros-90"] == pytest.approx(scores[0] - scores[1])
    error = (answers[1] - answers[0]).square().sum() / answers[0].square().sum()
    assert layer.error["zeros-90"] == pytest.approx(float(error), rel=1e-4)


def test_a_layer_without_effect_costs_nothing(
    tiny: Callable[..., Path], rows: Dataset, tmp_path: Path
) -> None:
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(tiny("bert"))
    with torch.no_grad():  # what the feed-forward network finds out is thrown away
        model.bert.encoder.layer[1].output.dense.weight.zero_()
    model.save_pretrained(tmp_path / "model")
    source = read_source(tmp_path / "model", into=tmp_path / "source")
    names = [f"bert.encoder.layer.1.{part}.dense" for part in ("intermediate", "output")]
    for layer in ask(source, rows, include=names).layers:
        assert set(layer.loss.values()) == {0.0}
        assert set(layer.error.values()) == {0.0}


def test_the_layer_that_reads_outliers_is_the_worst_at_int8(
    outlier_source: Artifact, answered: Path, tmp_path: Path
) -> None:
    data = visible(build_dataset(answered, outlier_source, out=tmp_path / "data"))
    found = ask(outlier_source, data, treatments=["int8"], rows=32)
    assert found.baseline == 1.0
    worst, *others = sorted(found.layers, key=lambda layer: -layer.error["int8"])
    assert worst.name == BROKEN
    assert worst.error["int8"] > 10 * others[0].error["int8"]
    assert CUT  # the weights alone would not show it: they are small where inputs are large


def test_model_and_files_are_left_as_they_were(source: Artifact, rows: Dataset) -> None:
    files = {p.name: p.read_bytes() for p in source.root.iterdir() if p.is_file()}
    names = list(files)
    before = file_entries(source.root, names)
    first = ask(source, rows, treatments=["int4"])
    second = ask(source, rows, treatments=["int4"])
    assert file_entries(source.root, names) == before
    for one, other in zip(first.layers, second.layers, strict=True):
        assert (one.loss, one.error) == (other.loss, other.error)


def test_a_layer_under_treatment_is_exactly_restored() -> None:
    layer = torch.nn.Linear(8, 4).requires_grad_(False)
    original, seen = layer.weight.data, measure._Seen(torch.tensor(-1.0), torch.tensor(1.0), 0)
    options = measure.SensitivityOptions()
    values = torch.full((1, 8), 0.123)
    for treatment in TREATMENTS:
        with measure._under(layer, treatment, seen, measure.Blocks(), options):
            assert not torch.equal(layer.weight.data, original)
            layer(values)
        assert layer.weight.data is original or torch.equal(layer.weight.data, original)
        assert layer.weight.data.data_ptr() == original.data_ptr()
        assert not layer._forward_pre_hooks


@pytest.mark.parametrize("family", ["roberta", "distilbert", "vit"])
def test_other_families(
    family: models.Family, tiny_source: Callable[..., Artifact], tmp_path: Path
) -> None:
    """Convolutions too; names are those that the plugin's int8 rows take."""
    source = tiny_source(family)
    if family == "vit":
        material = models.write_images(tmp_path / "images", 12)
    else:
        material = models.write_csv(tmp_path / "texts.csv", models.reviews(12))
    data = visible(build_dataset(material, source, out=tmp_path / "data"))
    found = ask(source, data, rows=2, treatments=["int8", "zeros-50"])
    program = capture(load_module(source), source.component().signature, seed=0)
    assert {layer.name for layer in found.layers} == set(pt2e_layers.names(program.module()))
    assert all(layer.error["zeros-50"] > 0 for layer in found.layers)


def test_layers_that_are_run_again_and_again(tmp_path: Path) -> None:
    """ALBERT's, which share their weights; and rows without labels, of a model without classes."""
    folder = models.albert(tmp_path / "model")
    bert = models.tiny("bert", tmp_path / "bert")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((bert / file).read_bytes())
    source = read_source(folder, into=tmp_path / "source")
    known = models.WORDS[:50]  # ids of a small vocabulary
    texts = [{"text": " ".join(known[n : n + 3 + n % 5])} for n in range(30)]
    material = models.write_csv(tmp_path / "texts.csv", texts)
    data = visible(build_dataset(material, source, out=tmp_path / "data"))
    assert data.count("tune") == 0
    found = ask(source, data, rows=4, treatments=["int4", "zeros-95"])
    assert (found.metric, found.baseline) == ("cosine", pytest.approx(1.0))
    assert all(layer.loss["zeros-95"] > 0 for layer in found.layers)
    program = capture(load_module(source), source.component().signature, seed=0)
    assert {layer.name for layer in found.layers} <= set(pt2e_layers.names(program.module()))


def test_blocks_below_the_treated_layer_are_run_once(
    source: Artifact, rows: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is found is what is found without that."""
    options = {"treatments": ["int8"], "include": ["bert.encoder.layer.1.*", "classifier"]}
    calls = itertools.count()
    from transformers.models.bert.modeling_bert import BertLayer

    forward = BertLayer.forward

    def counted(self: Any, *arguments: Any, **keywords: Any) -> Any:
        next(calls)
        return forward(self, *arguments, **keywords)

    monkeypatch.setattr(BertLayer, "forward", counted)
    quick = ask(source, rows, **options)
    used = next(calls)
    monkeypatch.setattr(Trunk, "skipping", lambda self, count: nullcontext())
    slow = ask(source, rows, **options)
    assert used < 0.7 * (next(calls) - used)
    for one, other in zip(quick.layers, slow.layers, strict=True):
        assert (one.loss, one.error) == (other.loss, other.error)


def test_shares_of_time_follow_the_work() -> None:
    small, large = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64 * 512)
    model = torch.nn.Sequential(small, large)
    beats = itertools.count()
    with torch.inference_mode():
        found = shares(
            model, [torch.ones(32, 64)], {"small": small, "large": large},
            beat=lambda: next(beats),
        )  # fmt: skip
    assert found["small"] < found["large"]
    assert sum(found.values()) <= 1
    assert next(beats) == WARM_UP + PASSES


def test_progress_grows_and_ends_at_one(source: Artifact, rows: Dataset) -> None:
    events: list[Event] = []
    ask(source, rows, events, treatments=["int8"], rows=4)
    fractions = [event.fraction for event in events if isinstance(event, ProgressEvent)]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(fractions) > 30


def test_it_stops_between_two_batches(source: Artifact, rows: Dataset) -> None:
    ctx = HookContext(EventSink("torch", "sensitivity", None), threads=1)
    ctx.token.set()
    with pytest.raises(Cancelled, match="the measurement was stopped"):
        measure.sensitivity(source, measure.SensitivityOptions(), rows, ctx)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            {"include": ["bert.encoder.9"]},
            "no layer is called 'bert.encoder.9'",
            "Near",
        ),
        ({"exclude": ["clasifier"]}, "no layer is called 'clasifier'", "classifier"),
        ({"exclude": ["*"]}, "no layer is left to look at", "exclude"),
        ({"pattern": "2:4"}, "the pattern 2:4 has one share of zeros", "1x4"),
        ({"pattern": "1x7"}, "the pattern 1x7 does not divide bert.encoder.layer.0", "exclude"),
    ],
)
def test_what_cannot_be_asked(
    source: Artifact, rows: Dataset, options: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        ask(source, rows, **options)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_another_format_and_no_rows_are_refused(source: Artifact, rows: Dataset) -> None:
    manifest = source.manifest.model_copy(update={"format": "onnx"})
    with pytest.raises(UserError, match="and this is onnx"):
        ask(source.model_copy(update={"manifest": manifest}), rows)
    empty = rows.model_copy(update={"info": rows.info.model_copy(update={"rows": {}})})
    with pytest.raises(UserError, match="judged on tune or calibration rows, and there are none"):
        ask(source, empty)
