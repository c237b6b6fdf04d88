"""``hwcore optimize`` with the real engines, and what it leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from command import Command
from optimizing import DROP, QUICK, Optimized, wait_for

import hwcore as hw
from hwcore.artifacts import read_artifact
from hwcore.contract import Target
from hwcore.host import PluginHost, discover, local_cpu
from hwcore.measure import Ratio

PNG = b"\x89PNG\r\n\x1a\n"

WITHOUT_BFLOAT16 = ("torch-eager-bf16", "openvino-bf16", "intel-bf16")
"""Recipes that may be left out: not every CPU has products in bfloat16."""

RECIPES = {
    "torch-eager-fp32",
    "torch-eager-bf16",
    "torch-compiled-fp32",
    "torch-compiled-int8",
    "torch-compiled-int8-dynamic",
    "intel-int8",
    "intel-int8-tuned",
    "intel-int8-dynamic",
    "intel-bf16",
    "intel-int8-onnxruntime",
    "intel-int8-openvino",
    "onnxruntime-fp32",
    "onnxruntime-int8-dynamic",
    "onnxruntime-int8-smooth",
    "openvino-fp32",
    "openvino-bf16",
    "openvino-int8",
    "openvino-int8-fixed-shapes",
    "openvino-from-onnx",
}


def test_every_recipe_is_measured_or_left_out_with_a_reason(optimized: Optimized) -> None:
    left_out = {entry["recipe"]: entry["reason"] for entry in optimized.study["left_out"]}
    trials = {trial["plan"]["name"]: trial for trial in optimized.study["trials"]}
    assert set(trials) | set(left_out) == RECIPES
    assert set(left_out) <= set(WITHOUT_BFLOAT16)
    for reason in left_out.values():
        assert re.search("needs .*bf16", reason)
    for name, trial in trials.items():
        assert (name, trial["state"], trial["error"]) == (name, "measured", None)
        assert trial["quality"]["rows"] == 99
        assert trial["timings"][0]["median_ms"] > 0
        assert trial["peak_rss_bytes"] > 10 << 20
        assert trial["load_seconds"] > 0
        assert all(step["check"]["status"] == "passed" for step in trial["steps"])
    assert sum(trial["baseline"] for trial in trials.values()) == 1
    assert trials["torch-eager-fp32"]["baseline"]
    assert trials["openvino-from-onnx"]["steps"][0] == {
        **trials["onnxruntime-fp32"]["steps"][0],
        **{key: trials["openvino-from-onnx"]["steps"][0][key] for key in ("cached", "seconds")},
    }


def test_the_study_says_what_was_measured_on(optimized: Optimized) -> None:
    study = optimized.study
    assert study["source"]["model_type"] == "bert"
    assert study["data"]["metric"] == "accuracy"
    assert study["data"]["rows"] == {"test": 99, "tune": 33, "calibration": 33}
    assert study["environment"]["threads"] >= 1
    assert set(study["environment"]["plugins"]) == {"torch", "onnxruntime", "openvino", "intel"}
    assert {"torch", "onnxruntime", "openvino"} <= set(study["environment"]["libraries"])
    assert study["tokenize_ms"] > 0
    assert study["verdict"]


def test_the_table_has_a_line_per_plan_and_says_where_everything_is(optimized: Optimized) -> None:
    lines = optimized.done.out.splitlines()
    for trial in optimized.study["trials"]:
        [line] = [line for line in lines if f" {trial['plan']['name']} " in line]
        assert str(Ratio(**trial["speedups"][0])) in line
        assert f"{trial['quality']['value']:.4f}" in line
    [starred] = [line for line in lines if "★" in line]
    assert optimized.recommended["plan"]["name"] in starred
    assert f'hwcore.load("{optimized.out}")' in optimized.done.out
    assert str(optimized.folder / "study.json") in optimized.done.out


def test_each_stage_of_a_plan_is_told_once_and_each_warning(optimized: Optimized) -> None:
    lines = optimized.done.err.splitlines()
    titles = [line.rpartition(":")[0] for line in lines if re.fullmatch(r"\S.*: [\d.]+ s", line)]
    assert len(titles) == len(set(titles))
    for trial in optimized.study["trials"]:
        assert {f"build {trial['plan']['name']}", f"evaluate {trial['plan']['name']}"} < set(titles)
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert len(warnings) == len(set(warnings))
    # In the study they stand with every trial that they are about.
    for trial in optimized.study["trials"]:
        for warning in trial["warnings"]:
            assert f"warning: {warning}" in warnings


def test_the_picture_is_a_png(optimized: Optimized) -> None:
    for folder in (optimized.folder, optimized.out):
        content = (folder / "pareto.png").read_bytes()
        assert content.startswith(PNG)
        assert len(content) > 10_000


def test_the_result_stands_on_its_own(optimized: Optimized, bert: Path) -> None:
    names = {path.name for path in optimized.out.iterdir()}
    assert names >= {
        "artifact.json", "recipe.yaml", "study.json", "pareto.png",
        "config.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    artifact = read_artifact(optimized.out, verify=True)
    assert artifact.digest == optimized.recommended["artifact"]
    assert artifact.manifest.location is None
    assert (optimized.out / "tokenizer.json").read_bytes() == (bert / "tokenizer.json").read_bytes()
    assert json.loads((optimized.out / "study.json").read_text()) == optimized.study


def test_load_gives_what_the_recommended_plan_gave(optimized: Optimized, bert: Path) -> None:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(optimized.out)
    texts = ["a good film", "the plot was dull and the actor never clever"]
    encoded = tokenizer(texts, padding=True, return_tensors="np")
    with hw.load(optimized.out) as model:
        inputs = {name: encoded[name] for name in (s.name for s in model.signature.inputs)}
        found = model(inputs)["logits"]
        named = model(inputs, ["logits"])["logits"]
    run = optimized.recommended["plan"]["run"]
    cached = read_artifact(Path(optimized.recommended["artifact_path"]))
    with PluginHost(discover()) as host:
        runner = host.run(
            run["plugin"],
            cached,
            capability=run["capability"],
            options=run["options"],
            target=Target.of(local_cpu()),
        )
        np.testing.assert_array_equal(found, runner(inputs)["logits"])
    np.testing.assert_array_equal(found, named)
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(bert)
    with torch.inference_mode():
        expected = reference(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_the_command_runs_the_result_on_texts(optimized: Optimized) -> None:
    texts = ("--text", "a good film", "--text", "dull")
    rows = optimized.hwcore("run", optimized.out, "--verify", *texts, "--json").check().json()
    assert len(rows) == 2
    for row in rows:
        assert row["label"] in models.LABELS
        assert 0.5 <= row["score"] <= 1


def test_bench_compares_the_result_with_the_model(optimized: Optimized, bert: Path) -> None:
    done = optimized.hwcore(
        "bench", bert, optimized.out, "--rounds", 3, "--length", 16, "--json"
    ).check()
    model, result = done.json()
    assert model["runs_with"] == "torch/eager"
    assert model["speedups"][0]["value"] == 1.0
    run = optimized.recommended["plan"]["run"]
    assert result["runs_with"] == f"{run['plugin']}/{run['capability']}"
    assert result["timings"][0]["workload"] == "batch 1, 16 tokens"


def test_the_second_time_no_step_is_run_and_nothing_is_timed(optimized: Optimized) -> None:
    steps = {path: path.stat().st_mtime_ns for path in step_files(optimized.hwcore)}
    done = optimized.hwcore(*optimized.arguments, "--json").check()
    assert done.json() == {**optimized.study, "environment": done.json()["environment"]}
    assert {path: path.stat().st_mtime_ns for path in step_files(optimized.hwcore)} == steps
    for work in ("build", "evaluate", "measure"):
        assert work not in done.err


def test_the_recipe_repeats_the_result(
    optimized: Optimized, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    hwcore, before = optimized.hwcore, optimized.hwcore.steps()
    done = hwcore(
        "optimize", bert, "--data", reviews, *DROP, *QUICK, "--study", tmp_path / "study",
        "--recipe", optimized.out / "recipe.yaml", "--out", tmp_path / "out", "--json",
    ).check()  # fmt: skip
    study = done.json()
    assert len(study["trials"]) == 2
    assert study["trials"][1]["artifact"] == optimized.recommended["artifact"]
    assert all(step["cached"] for step in study["trials"][1]["steps"])
    assert hwcore.steps() == before


def test_another_set_of_plugins_is_timed_anew_and_nothing_is_built(
    optimized: Optimized, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.json").write_text(json.dumps(optimized.study))
    fewer = Command(optimized.hwcore.cache, {"HWCORE_PLUGINS": "torch,onnxruntime"})
    recipes = ("--recipe", "torch-eager-fp32", "--recipe", "onnxruntime-fp32")
    done = fewer(
        "optimize", bert, "--data", reviews, *DROP, *QUICK, *recipes, "--study", study, "--json"
    ).check()
    found = done.json()
    assert [trial["plan"]["name"] for trial in found["trials"]] == [
        "torch-eager-fp32",
        "onnxruntime-fp32",
    ]
    before = {trial["id"]: trial for trial in optimized.study["trials"]}
    for trial in found["trials"]:
        earlier = before[trial["id"]]
        assert trial["quality"] == earlier["quality"]
        assert trial["steps"] == earlier["steps"]
        assert trial["timings"] != earlier["timings"]
    assert "measure 2 plans" in done.err
    assert "build" not in done.err
    assert "evaluate" not in done.err


FAMILIES = {
    "roberta": ("onnxruntime-int8-dynamic", "RobertaForSequenceClassification"),
    "distilbert": ("openvino-int8", "DistilBertForSequenceClassification"),
    "vit": ("openvino-from-onnx", "ViTForImageClassification"),
}


@pytest.mark.parametrize(
    "family",
    ["vit", *(pytest.param(f, marks=pytest.mark.slow) for f in ("roberta", "distilbert"))],
)
def test_other_families(
    hwcore: Command,
    tiny: Callable[..., Path],
    reviews: Path,
    images: Path,
    tmp_path: Path,
    family: models.Family,
) -> None:
    recipe, architecture = FAMILIES[family]
    model, data = tiny(family), images if family == "vit" else reviews
    out = tmp_path / "out"
    arguments = ("--recipe", recipe, *DROP, *QUICK, "--out", out, "--json")
    study = hwcore("optimize", model, "--data", data, *arguments).check().json()
    baseline, trial = study["trials"]
    assert (baseline["state"], trial["state"]) == ("measured", "measured")
    assert trial["quality"]["metric"] == "accuracy"
    assert trial["quality"]["drop_bound"] <= 0.1
    assert json.loads((out / "config.json").read_text())["architectures"] == [architecture]
    with hw.load(out) as result:
        assert result.signature.outputs[0].name == "logits"


def test_without_data_a_model_is_judged_by_agreement(
    hwcore: Command, tiny: Callable[..., Path]
) -> None:
    model = tiny("bert", "feature-extraction")
    recipes = ("--recipe", "onnxruntime-int8-dynamic", "--recipe", "openvino-int8")
    done = hwcore("optimize", model, *recipes, *QUICK, "--length", 16, "--json").check()
    study = done.json()
    assert study["data"] is None
    assert study["left_out"] == [
        {
            "recipe": "openvino-int8",
            "reason": "quantize openvino: needs 32 calibration rows, has 0: give --data",
        }
    ]
    quality = study["trials"][1]["quality"]
    assert quality["metric"] == "cosine"
    assert 0.9 < quality["value"] < 1
    assert study["trials"][1]["timings"][0]["workload"] == "batch 1, 16 tokens"


def test_verbs_lead_to_the_same_artifact_step_by_step(
    optimized: Optimized, bert: Path, reviews: Path, tmp_path: Path
) -> None:
    hwcore, before = optimized.hwcore, optimized.hwcore.steps()
    graph, small, blob = tmp_path / "ir", tmp_path / "int8", tmp_path / "blob"
    hwcore("export", bert, "--plugin", "openvino", "--capability", "ir", "--out", graph).check()
    assert hwcore.steps() == before, "the export was run again"
    data = ("--data", reviews)
    done = hwcore("quantize", graph, "--plugin", "openvino", *data, "--out", small, "--json")
    [trial] = [t for t in optimized.study["trials"] if t["plan"]["name"] == "openvino-int8"]
    assert done.check().json()["digest"] == trial["artifact"]
    compiled = hwcore("compile", small, "--plugin", "openvino", "--out", blob, "--json").check()
    assert compiled.json()["traits"]["stage"] == "compiled"
    assert hwcore("run", blob, "--text", "a good film", "--json").check().json()


class TestAtOnce:
    """Two programs, one cache."""

    def test_two_studies_of_one_model_run_each_step_once(
        self, sketch: Command, bert: Path, reviews: Path, tmp_path: Path
    ) -> None:
        studies = [tmp_path / "first", tmp_path / "second"]
        processes = [
            sketch.start(
                "optimize", bert, "--data", reviews, *DROP, *QUICK, "--study", study, "--json"
            )
            for study in studies
        ]
        results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        one, other = map(steps_of, results)
        assert one.keys() == other.keys() == sketch.steps()
        for key in one:
            made = [one[key], other[key]].count(False)
            assert made == 1, f"step {key} was made {made} times"
        assert sketch.unfinished() == []

    def test_one_study_is_worked_on_by_one_program(
        self, sketch: Command, bert: Path, reviews: Path
    ) -> None:
        arguments = ("optimize", bert, "--data", reviews, *DROP, *QUICK, "--json")
        slow = Command(sketch.cache, {**sketch.environment, "HWSKETCH_PAUSE": "2"}, sketch.plugins)
        first = slow.start(*arguments)
        try:
            wait_for(lambda: list(sketch.cache.glob("studies/*/.lock")))
            sketch(*arguments).refused(2, "another hwcore is at work on the study", "--study")
        finally:
            out, err = first.communicate(timeout=120)
        assert first.returncode == 0, err
        assert json.loads(out)["recommended"]


def step_files(hwcore: Command) -> Iterator[Path]:
    return (hwcore.cache / "steps").glob("*/*")


def steps_of(study: dict[str, Any]) -> dict[str, bool]:
    """By key: whether the step was found when it was first needed."""
    found: dict[str, bool] = {}
    for trial in study["trials"]:
        for step in trial["steps"]:
            found.setdefault(step["key"], step["cached"])
    return found
