"""Export: equal to torch over unlike shapes, names and dimensions, files, memory, noise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import models
import numpy as np
import onnx
import pytest
from onnxruntime_steps import RecordingContext, Steps, inputs_of, torch_runner, worst_error

from core_plugin_onnxruntime import export, graph
from hwcore.contract import Artifact, Cancelled, PluginError
from hwcore.transformers import read_source

Source = Callable[..., Artifact]
FEATURES = "feature-extraction"


@pytest.mark.parametrize(
    ("family", "task"), [(family, None) for family in models.FAMILIES] + [("bert", FEATURES)]
)
def test_equals_torch_over_unlike_shapes_with_padding(
    family: models.Family, task: str | None, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source(family, task)
    exported = steps.do("onnx", source)
    signature = source.component().signature
    assert exported.component().signature == signature
    with closing(steps.run(exported)) as runner:
        assert worst_error(runner, torch_runner(source), signature) < 1e-4


def test_equals_torch_on_a_real_model(minilm_source: Artifact, steps: Steps) -> None:
    with closing(steps.run(steps.do("onnx", minilm_source))) as runner:
        signature = minilm_source.component().signature
        assert worst_error(runner, torch_runner(minilm_source), signature) < 1e-4


@pytest.mark.parametrize("family", models.TEXT_FAMILIES)
def test_padding_does_not_leak(family: models.Family, tiny_source: Source, steps: Steps) -> None:
    """What stands in padded places changes nothing, nor does how many there are."""
    source = tiny_source(family)
    with closing(steps.run(steps.do("onnx", source))) as runner:
        inputs = inputs_of(source.component().signature, 1, 9)
        inputs["attention_mask"] = np.ones((1, 9), np.int64)
        inputs["input_ids"] = np.arange(11, 20, dtype=np.int64)[None]
        alone = runner(inputs)["logits"]
        padding = {"input_ids": 1 if family == "roberta" else 0, "attention_mask": 0}
        longer = {
            name: np.pad(array, ((0, 0), (0, 6)), constant_values=padding.get(name, 0))
            for name, array in inputs.items()
        }
        np.testing.assert_allclose(runner(longer)["logits"], alone, rtol=0, atol=1e-5)
        if family != "roberta":  # whose positions are counted from the padding id on
            longer["input_ids"][:, 9:] = 7
            np.testing.assert_allclose(runner(longer)["logits"], alone, rtol=0, atol=1e-5)


def test_the_graph_is_standard_onnx_with_the_signatures_names(
    tiny_source: Source, steps: Steps
) -> None:
    exported = steps.do("onnx", tiny_source("bert"))
    model = graph.read(exported.component_file())
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == [
        "input_ids",
        "attention_mask",
        "token_type_ids",
    ]
    shapes = graph.shapes(model)
    assert shapes["input_ids"] == ("batch", "sequence")
    assert shapes["logits"] == ("batch", 2)
    assert graph.count(model)["Attention"] == 2
    assert graph.domains(model) == exported.traits.op_domains == ()
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 23)]


def test_older_opsets_spell_attention_out(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    exported = steps.do("onnx", source, opset=18)
    model = graph.read(exported.component_file())
    assert [entry.version for entry in model.opset_import] == [18]
    assert graph.count(model)["Attention"] == 0
    assert graph.count(model)["Softmax"] == 2
    with closing(steps.run(exported)) as runner:
        signature = source.component().signature
        assert worst_error(runner, torch_runner(source), signature) < 1e-4


def test_facts_are_measured(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    facts = steps.do("onnx", source).manifest.facts
    # The checkpoint's pooler is a part of this classifier: nothing is lost.
    assert facts["parameters"] == source.manifest.facts["parameters"]
    assert facts["weight_bytes"] == 4 * source.manifest.facts["parameters"]
    assert facts["bits_per_weight"] == 32
    assert facts["ops_quantized"] == 0


def test_what_layers_share_is_stored_once(tmp_path: Path, steps: Steps) -> None:
    source = read_source(models.albert(tmp_path / "model"), into=tmp_path / "source")
    exported = steps.do("onnx", source)
    parameters = float(str(source.manifest.facts["parameters"]))
    stored = float(str(exported.manifest.facts["parameters"]))
    assert 0.95 < stored / parameters < 1.05
    with closing(steps.run(exported)) as runner:
        signature = source.component().signature
        assert worst_error(runner, torch_runner(source), signature) < 1e-4


def test_weights_lie_beside_the_graph_above_the_limit(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("distilbert")
    assert set(steps.do("onnx", source).manifest.files) == {"model.onnx"}
    exported = steps.do("onnx", source, external_data_above=0)
    files = exported.manifest.files
    assert set(files) == {"model.onnx", "model.onnx.data"}
    assert files["model.onnx.data"].size > 0.9 * exported.manifest.facts["weight_bytes"]
    assert files["model.onnx"].size < 0.3 * exported.manifest.facts["weight_bytes"]
    with closing(steps.run(exported)) as runner:
        signature = source.component().signature
        assert worst_error(runner, torch_runner(source), signature) < 1e-4


def test_equal_models_give_equal_bytes(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("distilbert")
    one, other = steps.do("onnx", source), steps.do("onnx", source, again=True)
    assert one.path != other.path
    assert one.digest == other.digest


def test_nothing_of_this_machine_is_written_down(tiny_source: Source, steps: Steps) -> None:
    content = steps.do("onnx", tiny_source("bert")).component_file().read_bytes()
    for path in (str(Path.home()), str(Path(export.__file__).parents[2]), "site-packages"):
        assert path.encode() not in content


def test_it_is_quiet_and_says_how_far_it_is(
    tiny_source: Source, steps: Steps, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tiny_source("bert")
    capfd.readouterr()
    ctx = RecordingContext()
    steps.do("onnx", source, ctx=ctx)
    assert capfd.readouterr() == ("", "")
    assert ctx.lines == []
    assert ctx.fractions == sorted(ctx.fractions)
    assert len(ctx.fractions) == 3


def test_it_stops_when_asked(tiny_source: Source, steps: Steps) -> None:
    with pytest.raises(Cancelled, match="the export was stopped"):
        steps.do("onnx", tiny_source("bert"), ctx=RecordingContext(stop_after=1))


def test_a_dimension_that_was_fixed_is_an_error(tiny_source: Source, steps: Steps) -> None:
    source = tiny_source("bert")
    exported = steps.do("onnx", source)
    shapes = graph.shapes(graph.read(exported.component_file()))
    shapes["input_ids"] = (2, "sequence")
    with pytest.raises(PluginError) as caught:
        export.check_dimensions(shapes, source.component().signature)
    assert str(caught.value) == (
        "the exporter gave input_ids the shape (2, 'sequence'), expected ('batch', 'sequence')"
    )
    assert caught.value.hint == "The model's code depends on a size that should be free."


@pytest.mark.slow
def test_peak_memory_stays_near_the_weights(tmp_path: Path) -> None:
    """Of a BERT-base: at most 1.5 times its weights above a process that has imported all."""
    script = f"""
import re, sys
from pathlib import Path
sys.path[:0] = [{str(Path(models.__file__).parent)!r}, {str(Path(__file__).parent)!r}]
import onnx_ir, onnxruntime, onnxscript, torch.onnx, transformers
from onnxruntime_steps import Steps
from hwcore.contract import Target
from hwcore.transformers import read_source

def memory(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

root = Path({str(tmp_path)!r})
source = read_source(root / "model", into=root / "source")
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
(root / "steps").mkdir()
Steps(root / "steps", Target()).do("onnx", source)
print((memory("VmHWM") - before) / source.manifest.facts["weight_bytes"])
"""
    import transformers

    transformers.BertModel(transformers.BertConfig()).save_pretrained(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert 1 <= float(done.stdout) <= 1.5
