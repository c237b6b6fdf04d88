"""Int8 by PT2E: scales as the formulas say, integers in the file, and what is left alone."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import parts
import pytest
import torch
from engine_steps import RecordingContext, Steps, program_of, relative

from core_plugin_torch import program as programs
from core_plugin_torch.pt2e import layers
from core_plugin_torch.pt2e.options import StaticOptions
from core_plugin_torch.pt2e.recipe import reduces_range
from core_plugin_torch.weights import stored
from hwcore.contract import Artifact, Cancelled, Dataset, UserError
from hwcore.data import batches
from hwcore.transformers import read_source

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]

WEIGHT = np.array(
    [[0.5, -1.0, 0.25, 0.0], [0.001, 0.002, 0.0, -0.0031], [0.0, 0.0, 0.0, 0.0]], np.float32
)
"""One output with large weights, one with small ones, and one without any."""


class Toy(torch.nn.Module):
    """A linear layer with `WEIGHT`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(WEIGHT))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer(x),)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return program_of(Toy(), parts.vector_signature(), tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return parts.vectors(tmp_path_factory.mktemp("rows") / "rows", {"calibration": 12})


def _weight(artifact: Artifact) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers and scales of the one layer."""
    program = programs.read(artifact)
    tensors = stored(program)
    [node] = [n for n in program.graph.nodes if "dequantize_per_channel" in str(n.target)]
    weight, scales = (tensors[node.args[i].name] for i in (0, 1))
    return weight, scales


def _activation(artifact: Artifact) -> tuple[float, int, int]:
    """Scale, zero point and largest number of what goes into the one layer."""
    nodes = programs.read(artifact).graph.nodes
    [node] = [n for n in nodes if ".quantize_per_tensor" in str(n.target)]
    _, scale, zero, _, most, _ = node.args
    return scale, zero, most


def test_weights_are_symmetric_per_channel(toy: Artifact, steps: Steps) -> None:
    """scale = max|w| / 127.5, w ≈ scale · round(w / scale); a channel of zeros stays zero."""
    weight, scales = _weight(steps("int8-dynamic", toy))
    expected = np.maximum(np.abs(WEIGHT).max(1) / 127.5, 2.0**-23)
    np.testing.assert_allclose(scales.numpy(), expected, rtol=1e-6)
    rounded = np.clip(np.round(WEIGHT / expected[:, None]), -128, 127)
    assert weight.dtype == torch.int8
    np.testing.assert_array_equal(weight.numpy(), rounded)
    assert not weight[2].any()


def test_one_scale_for_all_channels(toy: Artifact, steps: Steps) -> None:
    weight, scales = _weight(steps("int8-dynamic", toy, {"weights": "per-tensor"}))
    np.testing.assert_allclose(scales.numpy(), np.full(3, 1 / 127.5), rtol=1e-6)
    np.testing.assert_array_equal(weight.numpy()[1], [0, 0, 0, 0])


@pytest.mark.parametrize(
    ("activations", "range_", "most"),
    [("asymmetric", "off", 255), ("symmetric", "off", 255), ("asymmetric", "on", 127)],
)
def test_ranges_are_those_of_the_rows(
    activations: str, range_: str, most: int, toy: Artifact, rows: Dataset, steps: Steps
) -> None:
    options = {"observer": "minmax", "activations": activations, "reduce_range": range_}
    found = _activation(steps("int8-static", toy, options, data=rows))
    seen = np.concatenate([b.inputs["x"] for b in batches(rows, "calibration", batch_size=1)])
    low, high = min(float(seen.min()), 0.0), max(float(seen.max()), 0.0)
    if activations == "symmetric":
        expected = max(-low, high) / (most / 2), most // 2
    else:
        scale = (high - low) / most
        expected = scale, round(-low / scale)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1:] == (expected[1], most)


def test_observers_differ_and_few_rows_are_read(toy: Artifact, rows: Dataset, steps: Steps) -> None:
    found = {
        observer: _activation(steps("int8-static", toy, {"observer": observer}, data=rows))[0]
        for observer in ("minmax", "moving-average", "histogram")
    }
    assert found["moving-average"] < found["minmax"]
    assert found["histogram"] <= found["minmax"] * 1.01
    options = {"observer": "minmax", "subset_size": 1}
    [first] = batches(rows, "calibration", batch_size=1, limit=1)
    scale, _, _ = _activation(steps("int8-static", toy, options, data=rows))
    spread = np.append(first.inputs["x"], 0)
    assert scale == pytest.approx((spread.max() - spread.min()) / 255, rel=1e-5)


@pytest.mark.parametrize("scheme", ["int8-static", "int8-dynamic"])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_answers_to_other_rows_stay_near(
    scheme: str, family: models.Family, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source = tiny_source(family)
    exact = steps("export", source)
    artifact = steps(scheme, exact, data=tiny_data(family))
    assert artifact.traits.quantization == scheme
    assert artifact.component().signature == source.component().signature
    before, after = steps.run(exact), steps.run(artifact)
    for batch in batches(tiny_data(family, seed=1), "calibration", batch_size=12):
        assert 0 < relative(before(batch.inputs), after(batch.inputs)) < 0.2


@pytest.mark.parametrize("scheme", ["int8-static", "int8-dynamic"])
def test_weights_are_integers_in_the_file(
    scheme: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    exact = steps("export", tiny_source("bert"))
    artifact = steps(scheme, exact, data=tiny_data("bert"))
    program = programs.read(artifact)
    matrices = [t for t in stored(program).values() if t.dtype == torch.int8 and t.dim() == 2]
    facts, before = artifact.manifest.facts, exact.manifest.facts
    assert facts["ops_quantized"] == len(matrices) == 14
    assert facts["parameters"] == before["parameters"]
    saved = 3 * sum(matrix.numel() for matrix in matrices)
    scales = 4 * sum(matrix.shape[0] for matrix in matrices)
    zeros = 8 * sum(matrix.shape[0] for matrix in matrices)
    assert facts["weight_bytes"] <= before["weight_bytes"] - saved + scales + zeros  # type: ignore[operator]
    assert artifact.size_bytes < exact.size_bytes - saved + scales + zeros + (1 << 18)


def test_layers_that_share_weights_still_do(steps: Steps, tmp_path: Path) -> None:
    source = read_source(models.albert(tmp_path / "albert"), into=tmp_path / "source")
    exact = steps("export", source)
    facts = steps("int8-dynamic", exact).manifest.facts
    assert facts["parameters"] == exact.manifest.facts["parameters"]
    assert facts["ops_quantized"] == 4 * 6 + 1  # four layers of six products, and a projection
    assert facts["bits_per_weight"] < 20  # type: ignore[operator]


def test_zeros_stay_zero_and_their_trait_stays(tmp_path: Path, steps: Steps) -> None:
    from hwcore.contract import Sparsity

    class Sparse(Toy):
        def __init__(self) -> None:
            super().__init__()
            with torch.no_grad():
                self.layer.weight[:, ::2] = 0

    exact = program_of(Sparse(), parts.vector_signature(), tmp_path / "sparse")
    traits = exact.traits.model_copy(update={"sparsity": Sparsity(pattern="1x2", share=0.5)})
    manifest = exact.manifest.model_copy(update={"traits": traits})
    artifact = steps("int8-dynamic", exact.model_copy(update={"manifest": manifest}))
    assert artifact.traits.sparsity == traits.sparsity
    weight, _ = _weight(artifact)
    assert not weight[:, ::2].any()


def test_layers_that_are_named_stay_in_floating_point(tiny_source: Source, steps: Steps) -> None:
    exact = steps("export", tiny_source("bert"))
    everything = layers.names(programs.module(programs.read(exact)))  # type: ignore[arg-type]
    assert everything[0] == "bert.encoder.layer.0.attention.self.query"
    assert everything[-1] == "classifier"
    options = {"exclude": ["*.output.dense", "bert.encoder.layer.1", "classifier"]}
    artifact = steps("int8-dynamic", exact, options)
    left = layers.names(programs.module(programs.read(artifact)))  # type: ignore[arg-type]
    assert left == everything  # names are kept, quantized or not
    program = programs.read(artifact)
    rounded = {
        list(node.meta["nn_module_stack"].values())[-1][0]
        for node in program.graph.nodes
        if str(node.target) == "aten.linear.default" and "dequantize" in str(node.args[1])
    }
    assert rounded == {
        f"model.bert.{name}"
        for name in (
            *(f"encoder.layer.0.attention.self.{part}" for part in ("query", "key", "value")),
            "encoder.layer.0.intermediate.dense",
            "pooler.dense",
        )
    }


@pytest.mark.parametrize(
    ("exclude", "message", "hint"),
    [
        (["clasifier"], "no layer is called 'clasifier'", "Near names: classifier"),
        (["*"], "no layer is left to quantize", "Take names out of the option `exclude`."),
    ],
)
def test_names_that_cannot_be_are_said(
    exclude: list[str], message: str, hint: str, tiny_source: Source, steps: Steps
) -> None:
    with pytest.raises(UserError, match=message) as error:
        steps("int8-dynamic", steps("export", tiny_source("bert")), {"exclude": exclude})
    assert str(error.value.hint).startswith(hint)


def test_a_model_without_linear_layers_is_refused(tmp_path: Path, steps: Steps) -> None:
    class Plain(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x[:, :3] * 2,)

    plain = program_of(Plain(), parts.vector_signature(), tmp_path / "plain")
    with pytest.raises(UserError, match="no linear layer and no convolution to quantize") as error:
        steps("int8-dynamic", plain)
    assert error.value.hint == "Leave it in floating point, or export it with another plugin."


def test_no_calibration_rows_is_said(toy: Artifact, rows: Dataset, steps: Steps) -> None:
    without = rows.model_copy(update={"info": rows.info.model_copy(update={"rows": {"tune": 3}})})
    for given in (None, without):
        with pytest.raises(UserError, match="reads calibration rows, and there are none") as error:
            steps("int8-static", toy, data=given, ctx=RecordingContext())
        assert "--data" in str(error.value.hint)


def test_activations_get_7_bits_where_sums_would_saturate(steps: Steps) -> None:
    auto = StaticOptions()
    without = steps.target.model_copy(update={"features": ("avx2",)})
    with_vnni = steps.target.model_copy(update={"features": ("avx2", "vnni")})
    assert reduces_range(auto, without)
    assert not reduces_range(auto, with_vnni)
    assert not reduces_range(StaticOptions(reduce_range="off"), without)
    assert reduces_range(StaticOptions(reduce_range="on"), with_vnni)


def test_it_stops_between_two_rows(toy: Artifact, rows: Dataset, steps: Steps) -> None:
    ctx = RecordingContext(stop_after=4)
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps("int8-static", toy, data=rows, ctx=ctx)
    assert ctx.asked == 5


def test_it_is_quiet_and_leaves_the_process_as_it_was(
    toy: Artifact, rows: Dataset, steps: Steps, capfd: pytest.CaptureFixture[str]
) -> None:
    ctx = RecordingContext(threads=1)
    capfd.readouterr()

    before = (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level)
    steps("int8-static", toy, data=rows, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert (list(sys.path), torch.get_num_threads(), logging.getLogger("torch").level) == before
    assert ctx.fractions == sorted(ctx.fractions)
    assert len(set(ctx.fractions)) > 12
    assert ctx.fractions[-1] == 1


def test_compiling_does_not_depend_on_what_was_quantized_before() -> None:
    """In a process of its own: what an import leaves behind is there from the first one on."""
    code = (
        "import torch._inductor.config as inductor\n"
        "from core_plugin_torch.pt2e import library\n"
        "library.load()\n"
        "print(inductor.pre_grad_custom_pass)\n"
    )
    command = (sys.executable, "-W", "ignore", "-c", code)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout == "None\n"


def test_the_same_rows_give_the_same_bytes(toy: Artifact, rows: Dataset, steps: Steps) -> None:
    once, again = (steps("int8-static", toy, data=rows, ctx=RecordingContext()) for _ in "ab")
    assert once.digest == again.digest


def test_torchao_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, toy: Artifact, steps: Steps
) -> None:
    def gone(name: str, *arguments: Any, **named: Any) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="torchao")

    for name in [n for n in sys.modules if n.startswith("torchao.quantization.pt2e")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(UserError, match="needs torchao, which is not installed") as error:
        steps("int8-dynamic", toy, ctx=RecordingContext())
    assert error.value.hint == 'Install it: pip install "core-plugin-torch[build]"'
