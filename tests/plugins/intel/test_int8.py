"""Int8 products: what is in the file, how near it is, and what Neural Compressor would not say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch
from intel_modules import IMAGES, SIGNATURE, Block, Patches, Plain
from intel_steps import RecordingContext, Steps, error, exported, loaded, tensors

from core_plugin_intel import int8, program, pt2e, sensitivity
from core_plugin_intel.options import DynamicOptions, StaticOptions
from core_plugin_intel.rows import Rows
from hwcore.contract import Artifact, Cancelled, Dataset, PluginError, UserError
from hwcore.data import batches

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]

LINEARS = 14
"""Of the tiny BERT: two layers of six, the pooler and the classifier."""


def quantizers(artifact: Artifact) -> list[str]:
    graph = exported(artifact).graph
    found = (str(n.target) for n in graph.nodes if "quantize" in str(n.target))
    return [name.split(".")[1] for name in found]


@pytest.mark.parametrize("family", ["bert", "vit"])
def test_weights_and_activations_are_int8(
    family: models.Family, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source = tiny_source(family)
    made = steps("int8-static", source, tiny_data(family))
    assert (made.format, made.traits.quantization) == ("torch-export", "int8-static")
    assert made.component().signature == source.component().signature
    facts = made.manifest.facts
    assert facts["ops_quantized"] == LINEARS
    assert 8 < facts["bits_per_weight"] < 12  # type: ignore[operator]  # tiny: biases weigh much
    assert quantizers(made).count("dequantize_per_channel") == LINEARS
    assert error(source, loaded(made), tiny_data(family)) < 0.2


def test_the_file_holds_no_pickle_and_nothing_of_this_machine(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    made = steps("int8-static", tiny_source("bert"), tiny_data("bert"))
    content = made.component_file().read_bytes()
    assert b"\x80\x02" not in content[:200_000] or b"cunpickle" not in content
    assert str(Path.home()).encode() not in content
    assert b"site-packages" not in content


def test_equal_steps_make_equal_files_and_other_rows_other_ones(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source = tiny_source("bert")
    made = steps("int8-static", source, tiny_data("bert"))
    again = steps("int8-static", source, tiny_data("bert"), RecordingContext())
    assert again.digest == made.digest
    other = steps("int8-static", source, tiny_data("bert", seed=1))
    assert other.digest != made.digest


def test_dynamic_quantization_has_its_measuring_operators(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """Without a call between preparing and converting the library makes ranges of nothing."""
    source = tiny_source("bert")
    made = steps("int8-dynamic", source)
    assert made.traits.quantization == "int8-dynamic"
    assert made.manifest.facts["ops_quantized"] == LINEARS
    targets = [str(n.target) for n in exported(made).graph.nodes]
    assert any("choose_qparams" in target for target in targets)
    assert error(source, loaded(made), tiny_data("bert")) < 0.15


def test_static_after_dynamic_is_static(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    """The library keeps which of the two it is in the class of its quantizer."""
    steps("int8-dynamic", tiny_source("bert"))
    made = steps("int8-static", tiny_source("bert"), tiny_data("bert"), RecordingContext())
    targets = [str(n.target) for n in exported(made).graph.nodes]
    assert not any("choose_qparams" in target for target in targets)


@pytest.fixture(scope="module")
def float32(tiny_source: Source) -> int8.Float32:
    return int8.Float32(tiny_source("bert"), StaticOptions(), RecordingContext())


@pytest.fixture(scope="module")
def rows(tiny_source: Source, tiny_data: Data) -> Rows:
    return Rows(tiny_source("bert"), tiny_data("bert"), 12, RecordingContext())


def made_with(float32: int8.Float32, rows: Rows, **options: Any) -> torch.fx.GraphModule:
    return float32.static(StaticOptions(**options), rows, begin=0, end=1)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"act_algo": "kl"}, 0.2),
        ({"act_sym": True}, 0.2),
        ({"act_dtype": "int8", "act_sym": True}, 0.2),
        ({"w_granularity": "per_tensor"}, 0.3),
        ({"smooth_alpha": 0.5}, 0.2),
        ({"bf16_layers": ["classifier"]}, 0.2),
    ],
)
def test_each_choice_reaches_the_graph_and_stays_close(
    options: dict[str, Any],
    limit: float,
    float32: int8.Float32,
    rows: Rows,
    tiny_source: Source,
    tiny_data: Data,
) -> None:
    plain = made_with(float32, rows)
    graph = made_with(float32, rows, **options)
    assert found(graph) != found(plain)
    assert error(tiny_source("bert"), graph, tiny_data("bert")) < limit


def found(graph: torch.fx.GraphModule) -> list[tuple[str, tuple[Any, ...]]]:
    """Operators and the numbers they are given."""
    return [
        (str(node.target), tuple(a for a in node.args if isinstance(a, int | float | torch.dtype)))
        for node in graph.graph.nodes
        if node.op == "call_function"
    ]


def test_layers_can_be_left_in_float32(float32: int8.Float32, rows: Rows) -> None:
    left = made_with(float32, rows, float_layers=[r"bert\.encoder\.layer\.0\..*", "classifier"])
    floating = {name for name, quantized in pt2e.layers(left).items() if not quantized}
    assert len(floating) == 7
    assert "classifier" in floating


def dtypes(graph: torch.fx.GraphModule) -> set[torch.dtype]:
    """Those that operators are told to cast to."""
    arguments = (a for node in graph.graph.nodes for a in (*node.args, *node.kwargs.values()))
    return {a for a in arguments if isinstance(a, torch.dtype) and a.is_floating_point}


def test_layers_can_be_computed_in_bfloat16(
    float32: int8.Float32, rows: Rows, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    """The library's own rewriting casts to float16."""
    names = ["classifier", r"bert\.encoder\.layer\.0\.attention\..*"]
    graph = made_with(float32, rows, bf16_layers=names, float_layers=["bert.pooler.dense"])
    assert dtypes(graph) == {torch.float32, torch.bfloat16}
    floating = {name for name, quantized in pt2e.layers(graph).items() if not quantized}
    assert len(floating) == 6
    made = steps("int8-static", tiny_source("bert"), tiny_data("bert"), bf16_layers=names)
    stored = exported(made).state_dict
    halves = [name for name, tensor in stored.items() if tensor.dtype == torch.bfloat16]
    assert len(halves) == 10  # weights and biases of five layers
    assert not [name for name, tensor in stored.items() if tensor.dtype == torch.float16]
    assert made.manifest.facts["ops_quantized"] == LINEARS
    assert dtypes(exported(made).graph_module) >= {torch.bfloat16}
    assert torch.float16 not in dtypes(exported(made).graph_module)
    assert error(tiny_source("bert"), loaded(made), tiny_data("bert")) < 0.2


def test_layers_in_bfloat16_without_a_bias_and_used_twice() -> None:
    module = Twice().eval().requires_grad_(False)
    graph = program.graph_of(program.capture(module, SIGNATURE))
    row = (torch.randn(2, 5, 8),)
    before = graph(*row)[0]
    made = pt2e.quantize(graph, StaticOptions(), [row], halves=frozenset({"layer"}))
    assert [name for name, _ in made.named_buffers() if "bfloat16" in name] == [
        "model_layer_weight_bfloat16"
    ]
    torch.testing.assert_close(made(*row)[0], before, rtol=0.02, atol=0.02)


class Twice(torch.nn.Module):  # type: ignore[misc]
    """Two uses of one layer that has no bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = torch.nn.ModuleDict({"layer": torch.nn.Linear(8, 8, bias=False)})

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        layer = self.model["layer"]
        return (layer(layer(x).tanh()),)


@pytest.mark.parametrize("capability", ["int8-static", "int8-dynamic"])
def test_convolutions_are_quantized_unless_they_are_named(
    capability: str, tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source, data = tiny_source("vit"), tiny_data("vit")
    name = "vit.embeddings.patch_embeddings.projection"
    given = data if capability == "int8-static" else None
    made = steps(capability, source, given)
    assert made.manifest.facts["ops_quantized"] == LINEARS
    left = steps(capability, source, given, float_layers=[name])
    assert left.manifest.facts["ops_quantized"] == LINEARS - 1
    assert left.manifest.facts["weight_bytes"] > made.manifest.facts["weight_bytes"]  # type: ignore[operator]
    weights = [t for n, t in exported(left).state_dict.items() if name in n and t.dim() == 4]
    assert [weight.dtype for weight in weights] == [torch.float32]
    assert error(source, loaded(left), data) < 0.2


def test_the_error_of_a_convolution_is_measured() -> None:
    torch.manual_seed(0)
    captured = program.capture(Patches().eval().requires_grad_(False), IMAGES)
    rows = [(torch.randn(1, 3, 8, 8),) for _ in range(3)]
    made = pt2e.quantize(program.graph_of(captured), StaticOptions(), rows)
    assert pt2e.layers(made) == {"patch": True, "layer": True}
    errors = sensitivity.errors(program.graph_of(captured), made, rows)
    assert errors.keys() == {"patch", "layer"}
    assert all(0 < lost < 0.01 for lost in errors.values())


def test_a_layer_that_is_not_there_is_said_with_one_like_it(
    float32: int8.Float32, rows: Rows
) -> None:
    """The library takes any name and passes it over."""
    with pytest.raises(UserError, match=r"no layer of the model is called 'bert.pooler.dens'") as e:
        made_with(float32, rows, float_layers=["bert.pooler.dens"])
    assert "Did you mean 'bert.pooler.dense'" in str(e.value.hint)
    with pytest.raises(UserError, match=r"'\(' is no regular expression"):
        made_with(float32, rows, float_layers=["("])


def test_leaving_every_layer_is_refused(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    with pytest.raises(PluginError, match="there is no layer left to quantize"):
        steps("int8-dynamic", tiny_source("bert"), float_layers=[".*"])


def test_ranges_that_were_not_measured_are_an_error(float32: int8.Float32) -> None:
    """The library goes on with the scale 1, and gives a model that answers nonsense."""
    with pytest.raises(PluginError, match="no calibration row came past activation_post_process"):
        pt2e.quantize(float32.graph(), StaticOptions(), [])


def test_without_rows_it_says_so(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    data = tiny_data("bert")
    without = data.model_copy(update={"info": data.info.model_copy(update={"rows": {"tune": 3}})})
    for given in (None, without):
        with pytest.raises(UserError, match="at least 8 calibration rows, and there are 0") as e:
            steps("int8-static", tiny_source("bert"), given, RecordingContext())
        assert "--data" in str(e.value.hint)


def test_too_few_rows_are_said_where_the_manifest_names_others(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    data = tiny_data("bert")
    rows = {"tune": 24, "calibration": 7}
    few = data.model_copy(update={"info": data.info.model_copy(update={"rows": rows})})
    with pytest.raises(UserError, match="at least 8 calibration rows, and there are 7"):
        steps("int8-tuned", tiny_source("bert"), few, RecordingContext())


def test_it_stops_between_two_rows_and_says_how_far_it_is(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    ctx = RecordingContext(stop_after=6)
    with pytest.raises(Cancelled, match="quantization was stopped"):
        steps("int8-static", tiny_source("bert"), tiny_data("bert"), ctx)
    assert ctx.asked == 7
    assert ctx.fractions == sorted(ctx.fractions)
    assert 0.2 < ctx.fractions[-1] < 0.8


def test_gates_stay_in_float32() -> None:
    """The quantizer rounds both factors of a product of activations, and cannot be told not to."""
    torch.manual_seed(0)
    graph = program.graph_of(program.capture(Block().eval().requires_grad_(False), SIGNATURE))
    made = pt2e.quantize(graph, StaticOptions(), [(torch.randn(2, 5, 8),)])
    (product,) = (node for node in made.graph.nodes if node.target is pt2e.MULTIPLY)
    assert all(node.target is pt2e.LINEAR for node in product.all_input_nodes)


def test_ranges_are_the_mean_over_rows() -> None:
    """And not nearly that of the first row, as the library's moving average."""
    graph = program.graph_of(program.capture(Plain().eval().requires_grad_(False), SIGNATURE))
    rows = [(torch.linspace(-least, most, 16).reshape(1, 2, 8),) for least, most in RANGES]
    made = pt2e.quantize(graph, StaticOptions(), rows)
    [quantize] = [n for n in made.graph.nodes if ".quantize_per_tensor." in str(n.target)]
    scale, zero = quantize.args[1:3]
    assert scale == pytest.approx((2 + 4) / 255)
    assert zero == round(2 / scale)


RANGES = ((1.0, 1.0), (2.0, 4.0), (3.0, 7.0))


def test_nothing_is_printed_and_nothing_is_left(
    tiny_source: Source,
    tiny_data: Data,
    steps: Steps,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    for capability in ("int8-static", "int4-rtn", "int4-hqq"):
        steps(capability, tiny_source("bert"), tiny_data("bert"), RecordingContext())
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_the_library_says_dynamic_of_its_class_no_longer(float32: int8.Float32) -> None:
    from neural_compressor.torch.algorithms.pt2e_quant.core import W8A8PT2EQuantizer

    row = tuple(torch.ones(1, 4, dtype=torch.int64) for _ in range(3))
    pt2e.quantize(float32.graph(), DynamicOptions(), [row])
    assert W8A8PT2EQuantizer.is_dynamic is False


def test_every_length_and_batch_works(tiny_source: Source, tiny_data: Data, steps: Steps) -> None:
    source = tiny_source("bert")
    module = loaded(steps("int8-static", source, tiny_data("bert")))
    for batch in batches(tiny_data("bert"), "calibration", batch_size=1, limit=3):
        (alone,) = module(*tensors(source, batch.inputs))
        assert alone.shape == (1, 2)
        assert np.isfinite(alone.detach().numpy()).all()
