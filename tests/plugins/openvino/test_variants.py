"""Models of fixed shapes beside the flexible one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from openvino_steps import Steps

from core_plugin_openvino import engine
from core_plugin_openvino.variants import USES, Variants
from hwcore.contract import Artifact
from hwcore.data import example_inputs


@pytest.fixture(scope="module")
def ir(tiny_source: Callable[..., Artifact], steps: Steps) -> Artifact:
    return steps.export(tiny_source("distilbert"))


def _shapes(batch: int, sequence: int) -> tuple[tuple[int, ...], ...]:
    return ((batch, sequence), (batch, sequence))


def test_a_shape_is_compiled_when_it_comes_up_again_and_again(ir: Artifact) -> None:
    variants = Variants(ir.component_file(), {}, ir.component().signature, limit=1)
    found = [variants.find(_shapes(1, 16)) for _ in range(USES + 1)]
    assert found[: USES - 1] == [None] * (USES - 1)
    assert found[-1] is found[-2] is not None
    assert [variants.find(_shapes(1, 8)) for _ in range(2 * USES)] == [None] * 2 * USES
    variants.close()
    assert variants.find(_shapes(1, 16)) is None


def test_its_shapes_are_fixed(ir: Artifact) -> None:
    compiled = engine.compile_graph(ir.component_file(), {}, _shapes(3, 20))
    assert [port.get_partial_shape().is_static for port in compiled.inputs] == [True, True]


def test_outputs_are_those_of_the_flexible_model(ir: Artifact, steps: Steps) -> None:
    flexible, fixed = steps.run(ir), steps.run(ir, variants=2)
    signature = ir.component().signature
    for batch, sequence in [(1, 16), (2, 9), (1, 30)] * (USES + 1):
        inputs = example_inputs(signature, {"batch": batch, "sequence": sequence}, seed=batch)
        np.testing.assert_allclose(
            fixed(inputs)["logits"], flexible(inputs)["logits"], rtol=0, atol=1e-5
        )


def test_nobody_waits_for_a_variant_in_the_making(
    ir: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiling, go_on = threading.Event(), threading.Event()
    compile_graph = engine.compile_graph

    def slow(*arguments: object) -> object:
        compiling.set()
        go_on.wait(30)
        return compile_graph(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "compile_graph", slow)
    variants = Variants(ir.component_file(), {}, ir.component().signature, limit=1)
    maker = threading.Thread(target=lambda: [variants.find(_shapes(1, 16)) for _ in range(USES)])
    maker.start()
    assert compiling.wait(30)
    assert variants.find(_shapes(1, 16)) is None
    go_on.set()
    maker.join(30)
    assert variants.find(_shapes(1, 16)) is not None
