"""NNCF int8: its facts, its data, its closeness to a real model."""

from __future__ import annotations

import inspect
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import models
import numpy as np
import pytest
from openvino_steps import RecordingContext, Steps
from pydantic import JsonValue

from core_plugin_openvino import libraries
from core_plugin_openvino.options import QuantizeOptions
from core_plugin_openvino.quantize import overflow_fix
from hwcore.contract import Artifact, Cancelled, Dataset, Target, UserError
from hwcore.data import batches, build_dataset, visible

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]

LINEARS = {"bert": 14, "roberta": 14, "distilbert": 14, "vit": 14}
"""Two layers of six linear ones, and two of the head; for ViT one of the head and the patches."""


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_family_is_quantized_and_stays_close(
    family: models.Family, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    ir = steps.export(tiny_source(family))
    artifact = steps.int8(ir, tiny_data(family))
    assert (artifact.format, artifact.traits.quantization) == ("openvino-ir", "int8-static")
    assert artifact.component().signature == ir.component().signature
    facts = artifact.manifest.facts
    assert facts["ops_quantized"] == LINEARS[family]
    assert 8 < facts["bits_per_weight"] < 14  # type: ignore[operator]  # tiny: biases weigh much
    assert (artifact.path / "model.bin").stat().st_size < (ir.path / "model.bin").stat().st_size / 2
    before, after = steps.run(ir), steps.run(artifact)
    (batch,) = batches(tiny_data(family), "calibration", batch_size=40)
    expected, actual = before(batch.inputs)["logits"], after(batch.inputs)["logits"]
    cosine = (expected * actual).sum() / np.linalg.norm(expected) / np.linalg.norm(actual)
    assert 0.9 < cosine < 0.999999  # random weights are harder to round than learned ones


def test_calibration_rows_decide_the_scales(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    ir = steps.export(tiny_source("bert"))
    one, other = tiny_data("bert"), tiny_data("bert", seed=1)
    first = steps.int8(ir, one)
    assert _ranges(first) != _ranges(steps.int8(ir, other))
    again = steps.int8(ir, one, ctx=RecordingContext())
    assert again.digest == first.digest


def _ranges(artifact: Artifact) -> list[float]:
    graph = libraries.core().read_model(artifact.component_file())
    return [
        float(node.input_value(place).get_node().get_data().ravel()[0])
        for node in graph.get_ordered_ops()
        if node.get_type_name() == "FakeQuantize"
        for place in (1, 2)
    ]


def test_test_rows_are_not_needed(tiny_source: Source, steps: Steps, tmp_path: Path) -> None:
    source = tiny_source("bert")
    material = models.write_csv(tmp_path / "texts.csv", models.reviews(60))
    data = build_dataset(
        material, source, out=tmp_path / "dataset", rows={"calibration": 32, "test": 20}
    )
    shutil.rmtree(tmp_path / "dataset" / "test")
    steps.int8(steps.export(source), visible(data))


def test_no_more_rows_are_read_than_asked_for(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    def reads(limit: int) -> int:
        ctx = RecordingContext()
        ir = steps.export(tiny_source("bert"))
        steps.int8(ir, tiny_data("bert"), {"subset_size": limit}, ctx=ctx)
        return ctx.asked  # it looks whether it was cancelled once per row

    few, more = reads(4), reads(8)
    assert few % 4 == 0
    assert more == 2 * few


def test_options_reach_nncf(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    ir = steps.export(tiny_source("bert"))
    default = steps.int8(ir, tiny_data("bert"))

    def made(**options: JsonValue) -> Artifact:
        return steps.int8(ir, tiny_data("bert"), options)

    others = [
        made(preset="performance"),
        made(smooth_quant_alpha=-1),
        made(fast_bias_correction=False),
        made(overflow_fix="enable"),
        made(ignored_patterns=[".*classifier.*"]),
    ]
    assert len({artifact.digest for artifact in (default, *others)}) == 6
    assert others[-1].manifest.facts["ops_quantized"] == 13
    assert default.manifest.facts["ops_quantized"] == 14


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ignored_names": ["nowhere"]}, r"names \['nowhere'\] were not found"),
        ({"ignored_types": ["Nothing"]}, r"types \['Nothing'\] were not found"),
        ({"ignored_patterns": ["("]}, r"missing \), unterminated subpattern"),
    ],
)
def test_what_the_graph_does_not_have_is_said(
    options: dict[str, JsonValue],
    reason: str,
    tiny_source: Source,
    tiny_data: Data,
    steps: Steps,
) -> None:
    ir = steps.export(tiny_source("bert"))
    with pytest.raises(UserError, match=f"NNCF does not take these options: .*{reason}") as caught:
        steps.int8(ir, tiny_data("bert"), options)
    assert "model.xml" in str(caught.value.hint)


def test_no_calibration_rows_is_said(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    data = tiny_data("bert")
    without = data.model_copy(update={"info": data.info.model_copy(update={"rows": {"tune": 3}})})
    for given in (None, without):
        with pytest.raises(UserError, match="reads calibration rows, and there are none") as caught:
            steps.int8(steps.export(tiny_source("bert")), given, ctx=RecordingContext())
        assert "--data" in str(caught.value.hint)


def test_weights_get_half_their_range_where_sums_would_saturate(target: Target) -> None:
    auto = QuantizeOptions()
    without = target.model_copy(update={"features": ("avx2",)})
    with_vnni = target.model_copy(update={"features": ("avx2", "vnni")})
    assert overflow_fix(auto, without) == "enable"
    assert overflow_fix(auto, with_vnni) == "disable"
    named = QuantizeOptions(overflow_fix="first_layer_only")
    assert overflow_fix(named, without) == "first_layer_only"


def test_it_is_quiet_and_says_how_far_it_is(
    tiny_source: Source, tiny_data: Data, steps: Steps, capfd: pytest.CaptureFixture[str]
) -> None:
    ctx = RecordingContext()
    ir = steps.export(tiny_source("bert"))
    capfd.readouterr()
    steps.int8(ir, tiny_data("bert"), ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert len(set(ctx.fractions)) > 10
    assert max(ctx.fractions) < 1


def test_the_search_path_stays_as_it_was(
    tiny_source: Source, tiny_data: Data, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNCF imports setuptools on the way, which adds the packages it brings along."""
    nncf = libraries.nncf()
    quantize = nncf.quantize

    def adds(*arguments: Any, **named: Any) -> Any:
        sys.path.append("elsewhere")
        return quantize(*arguments, **named)

    monkeypatch.setattr(nncf, "quantize", adds)
    steps.int8(steps.export(tiny_source("bert")), tiny_data("bert"))
    assert "elsewhere" not in sys.path


def test_it_stops_between_two_rows(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    ctx = RecordingContext(stop_after=5)
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps.int8(steps.export(tiny_source("bert")), tiny_data("bert"), ctx=ctx)
    assert ctx.asked == 6


def _english() -> list[str]:
    """Real short English texts that are on every machine: paragraphs of Python's own docs."""
    import argparse
    import asyncio
    import collections
    import logging
    import subprocess
    import unittest

    modules = (argparse, asyncio, collections, logging, statistics, subprocess, unittest)
    found: dict[str, None] = {}
    for module in modules:
        for thing in _documented(module):
            for paragraph in (inspect.getdoc(thing) or "").split("\n\n"):
                text = " ".join(paragraph.split())
                if 60 < len(text) < 500 and ">>>" not in text:
                    found.setdefault(text)
    return sorted(found)


def _documented(module: ModuleType) -> list[object]:
    things: list[object] = [module]
    for name in sorted(vars(module)):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            things.append(thing)
        if inspect.isclass(thing):
            things += [vars(thing)[key] for key in sorted(vars(thing))]
    return things


@pytest.fixture(scope="module")
def english(minilm_source: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("english")
    material = models.write_csv(root / "texts.csv", [{"text": text} for text in _english()])
    rows = {"calibration": 100, "test": 48}
    return build_dataset(material, minilm_source, out=root / "dataset", rows=rows)


def test_minilm_keeps_a_cosine_of_099(
    minilm_source: Artifact, english: Dataset, steps: Steps
) -> None:
    ir = steps.export(minilm_source)
    artifact = steps.int8(ir, visible(english))
    facts = artifact.manifest.facts
    assert facts["ops_quantized"] == 36  # six layers of six linear ones
    assert facts["bits_per_weight"] == pytest.approx(8.12, abs=0.01)
    before, after = steps.run(ir), steps.run(artifact)
    cosines = []
    for batch in batches(english, "test", batch_size=16, signature=ir.component().signature):
        mask = batch.inputs["attention_mask"][..., None]
        expected, actual = (
            (runner(batch.inputs)["last_hidden_state"] * mask).sum(1) / mask.sum(1)
            for runner in (before, after)
        )
        norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(actual, axis=1)
        cosines += list((expected * actual).sum(1) / norms)
    assert len(cosines) == 48
    assert np.mean(cosines) >= 0.99
