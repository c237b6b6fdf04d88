"""Compiled blobs: equal to what they were made from, and refused where they would not run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from openvino_steps import Steps

from core_plugin_openvino import engine
from hwcore.contract import Artifact, Dataset, HardwareUnavailable, Target, UserError
from hwcore.data import example_inputs

Source = Callable[..., Artifact]


@pytest.fixture
def blob(tiny_source: Source, steps: Steps) -> Artifact:
    return steps.blob(steps.export(tiny_source("bert")))


def test_equals_the_ir_it_was_made_from(
    tiny_source: Source, steps: Steps, blob: Artifact, target: Target
) -> None:
    ir = steps.export(tiny_source("bert"))
    assert blob.format == "openvino-blob"
    assert (blob.traits.stage, blob.traits.bound_to) == ("compiled", target.fingerprint)
    assert blob.component().signature == ir.component().signature
    before, after = steps.run(ir), steps.run(blob)
    for batch, sequence in ((1, 1), (3, 17), (2, 40)):
        inputs = example_inputs(ir.component().signature, {"batch": batch, "sequence": sequence})
        np.testing.assert_array_equal(after(inputs)["logits"], before(inputs)["logits"])


def test_keeps_int8(tiny_source: Source, tiny_data: Callable[..., Dataset], steps: Steps) -> None:
    int8 = steps.int8(steps.export(tiny_source("bert")), tiny_data("bert"))
    blob = steps.blob(int8)
    assert blob.traits.quantization == "int8-static"
    assert blob.manifest.facts["ops_quantized"] == int8.manifest.facts["ops_quantized"]
    inputs = example_inputs(int8.component().signature)
    expected = steps.run(int8)(inputs)["logits"]
    np.testing.assert_array_equal(steps.run(blob)(inputs)["logits"], expected)


def test_its_size_is_told_as_it_is(blob: Artifact) -> None:
    facts, size = blob.manifest.facts, blob.component_file().stat().st_size
    assert facts["weight_bytes"] == size
    assert facts["bits_per_weight"] == size * 8 / facts["parameters"]  # type: ignore[operator]


def test_runs_with_the_threads_it_is_given(blob: Artifact) -> None:
    for threads in (1, 2):
        properties = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled, _memory = engine.import_blob(blob.component_file(), properties)
        assert compiled.get_property("INFERENCE_NUM_THREADS") == threads


def test_another_cpu_is_refused(blob: Artifact, steps: Steps, target: Target) -> None:
    elsewhere = target.model_copy(update={"features": ("avx2",)})
    with pytest.raises(HardwareUnavailable, match="was compiled for a CPU with other") as caught:
        steps.run(blob, target=elsewhere)
    assert "Compile it again on this machine" in str(caught.value.hint)


def test_another_openvino_is_refused(blob: Artifact, steps: Steps) -> None:
    facts = {**blob.manifest.facts, "openvino_build": "2024.1.0-1-abc"}
    older = blob.model_copy(update={"manifest": blob.manifest.model_copy(update={"facts": facts})})
    with pytest.raises(UserError, match=r"compiled by OpenVINO 2024\.1\.0-1-abc, and") as caught:
        steps.run(older)
    assert "Compile it again with this version" in str(caught.value.hint)


def test_variants_of_it_are_refused(blob: Artifact, steps: Steps) -> None:
    with pytest.raises(UserError, match="a blob cannot be compiled again for fixed shapes"):
        steps.run(blob, variants=1)


def test_its_file_outlives_every_call(blob: Artifact) -> None:
    """The engine reads weights from the mapping and holds no reference to it."""
    script = f"""
import gc
from pathlib import Path
from core_plugin_openvino import plugin
from hwcore.artifacts import read_artifact
from hwcore.contract import Target
from hwcore.data import example_inputs
from hwcore.host import local_cpu
class Silent:
    seed, threads = 0, 1
artifact = read_artifact(Path({str(blob.path)!r}))
runner = plugin.run(artifact=artifact, capability="cpu", options={{}},
                    target=Target.of(local_cpu()), ctx=Silent())
gc.collect()
for _ in range(3):
    runner(example_inputs(artifact.component().signature))
runner.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
