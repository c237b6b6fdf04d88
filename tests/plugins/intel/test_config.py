"""The option config: where a configuration is found, and its place among the other options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from intel_configs import resolved
from intel_steps import Steps

from core_plugin_intel.config.reading import FILES
from core_plugin_intel.options import (
    BY_CAPABILITY,
    DynamicOptions,
    GptqOptions,
    HalfOptions,
    Int8WeightOptions,
    StaticOptions,
    TunedOptions,
)
from hwcore.contract import Artifact, Dataset, UserError

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]


@pytest.mark.parametrize("capability", BY_CAPABILITY)
def test_without_a_configuration_nothing_changes(capability: str) -> None:
    options = BY_CAPABILITY[capability]()
    assert resolved(options, capability) == (options, [])


def test_what_is_said_here_counts_more(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(
        "quantization: {model_wise: {activation: {algorithm: kl}}, dataloader: {}}\n"
        "tuning: {accuracy_criterion: {relative: 2%}, exit_policy: {max_trials: 5}}\n"
        "device: cpu\n"
    )
    options, lines = resolved(TunedOptions(config=str(file), act_algo="minmax"), "int8-tuned")
    assert options == TunedOptions(act_algo="minmax", tolerable_loss=0.02, max_trials=5)
    assert lines == [
        (
            "warning",
            "device of Neural Compressor's configuration is not used: dropped in 3.0, with YAML "
            "files; rows and metric come from --data",
        )
    ]


def test_a_value_that_is_said_here_is_not_checked_in_the_file() -> None:
    node = {"approach": "static", "calibration_sampling_size": 1}
    options, _ = resolved(StaticOptions(config=node, calibration_sampling_size=9), "int8-static")
    assert options == StaticOptions(calibration_sampling_size=9)


def test_a_configuration_may_stand_in_the_recipe() -> None:
    node = {"pt2e_dynamic_quant": {"global": {"w_granularity": "per_tensor"}}}
    options, _ = resolved(DynamicOptions(config=node), "int8-dynamic")
    assert options == DynamicOptions(w_granularity="per_tensor")


def test_rows_of_weights_and_of_bfloat16_take_one_too() -> None:
    gptq, _ = resolved(GptqOptions(config={"gptq": {"group_size": 64}}), "int4-gptq")
    assert gptq == GptqOptions(group_size=64)
    half, _ = resolved(HalfOptions(config={"mixed_precision": {"dtype": "bf16"}}), "bf16")
    assert half == HalfOptions()
    eight, _ = resolved(Int8WeightOptions(config={"rtn": {"bits": 8}}), "int8-weights")
    assert eight == Int8WeightOptions()


def test_json_is_yaml_too(tmp_path: Path) -> None:
    file = tmp_path / "qconfig.json"
    file.write_text(json.dumps({"static_quant": {"global": {"act_sym": True}}}), "utf-8")
    options, _ = resolved(StaticOptions(config=str(file)), "onnx-int8")
    assert options == StaticOptions(act_sym=True)


def test_the_rows_of_onnx_take_what_their_torch_rows_take() -> None:
    node = {"tuning": {"exit_policy": {"timeout": 60}}}
    options, _ = resolved(TunedOptions(config=node), "onnx-int8-tuned")
    assert options == TunedOptions(timeout=60)
    with pytest.raises(UserError, match="asks for int8-tuned, and this step is onnx-int8"):
        resolved(StaticOptions(config=node), "onnx-int8")


def test_another_capability_is_named() -> None:
    node = {"approach": "dynamic"}
    with pytest.raises(UserError, match="asks for int8-dynamic, and this step is int8-static") as e:
        resolved(StaticOptions(config=node), "int8-static")
    assert e.value.hint == "Use the capability int8-dynamic."


@pytest.mark.parametrize("name", FILES)
def test_a_folder_has_one_by_a_usual_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "int8"
    folder.mkdir(parents=True)
    (folder / name).write_text('{"approach": "static", "calibration_sampling_size": 16}')
    options, _ = resolved(StaticOptions(config=str(folder)), "int8-static")
    assert options == StaticOptions(calibration_sampling_size=16)


def test_a_folder_without_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the folder .* has no configuration of Neural") as caught:
        resolved(StaticOptions(config=str(tmp_path)), "int8-static")
    assert "best_configure.yaml, inc_config.json" in str(caught.value.hint)


def test_the_home_folder_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "int8").mkdir()
    (tmp_path / "int8" / "qconfig.json").write_text('{"static_quant": {"act_sym": true}}')
    for place in ("~/int8", "~/int8/qconfig.json"):
        options, _ = resolved(StaticOptions(config=place), "int8-static")
        assert options == StaticOptions(act_sym=True)


@pytest.mark.parametrize(
    "place",
    ["nowhere.yaml", "no/model", "no/model:conf.yaml", "a/b/c", "~nobody-there/a", "./a", "a\0b"],
)
def test_a_file_that_is_not_there_is_said(place: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(StaticOptions(config=place), "int8-static")
    assert f"there is no file {place!r} here" in str(caught.value)
    assert "owner/name:file" in str(caught.value.hint)


def test_a_name_that_is_too_long_for_a_file_is_said_in_short() -> None:
    with pytest.raises(UserError, match=r"there is no file 'x{80}' here"):
        resolved(StaticOptions(config="x" * 5000), "int8-static")


def test_a_model_of_the_hub_is_found_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub lays a model's files down: a snapshot of each revision, and which is main."""
    from huggingface_hub import constants

    folder = tmp_path / "models--me--int8"
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    (snapshot / "best_configure.yaml").write_text("approach: static\n")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    options, _ = resolved(StaticOptions(config="me/int8:best_configure.yaml"), "int8-static")
    assert options == StaticOptions()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [", "cannot be read as YAML: while parsing"),
        ("x" * (1 << 20) + "y", "expected at most 1048576"),
        ("[" * 5000, "cannot be read as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "cannot be read as YAML: could not determine"),
        ("? !!python/tuple [[a]]\n: b", "cannot be read as YAML: unhashable type"),
        ("a: !!int many", "cannot be read as YAML: invalid literal"),
        ("a: !!int ''", "cannot be read as YAML: string index"),
        ("a: !!bool x", "cannot be read as YAML: 'x'"),
        ("a: !!timestamp x", "cannot be read as YAML: 'NoneType'"),
        ("a: 1:" + "0:" * 200 + "0.0", "cannot be read as YAML: int too large"),
    ],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(content, "utf-8")
    with pytest.raises(UserError, match=reason):
        resolved(StaticOptions(config=str(file)), "int8-static")


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as YAML: 'utf-8' codec") as caught:
        resolved(StaticOptions(config=str(file)), "int8-static")
    assert caught.value.hint == "Mend it, or name another."


def test_a_file_that_holds_itself_is_said(tmp_path: Path) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text("static_quant: &all\n  act_sym: *all\n")
    with pytest.raises(UserError, match="cannot be read as YAML: found unconstructable recursive"):
        resolved(StaticOptions(config=str(file)), "int8-static")


@pytest.mark.parametrize(
    ("capability", "node", "options"),
    [
        (
            "int4-rtn",
            {"rtn": {"group_size": 16, "use_sym": True}},
            {"group_size": 16, "use_sym": True},
        ),
        (
            "int8-dynamic",
            {"pt2e_dynamic_quant": {"local": {"bert.encoder.layer.0": {"w_dtype": "fp32"}}}},
            {"float_layers": [r"bert\.encoder\.layer\.0\..*"]},
        ),
    ],
)
def test_a_step_does_what_the_configuration_says(
    capability: str,
    node: dict[str, Any],
    options: dict[str, Any],
    tiny_source: Source,
    steps: Steps,
) -> None:
    source = tiny_source("bert")
    assert steps(capability, source, config=node).digest == (
        steps(capability, source, **options).digest
    )


def test_a_module_that_is_not_there_is_said_with_layers_like_it(
    tiny_source: Source, steps: Steps
) -> None:
    node = {"pt2e_dynamic_quant": {"local": {"bert.encoder.layer.7": {"w_dtype": "fp32"}}}}
    with pytest.raises(UserError, match=r"no layer .* is called 'bert\.encoder\.layer\.7'") as e:
        steps("int8-dynamic", tiny_source("bert"), config=node)
    assert str(e.value.hint).count("'bert.encoder.layer.") == 3
