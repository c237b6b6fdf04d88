"""The runner: the model's own numbers, whose memory is whose, threads, precision, closing."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import models
import numpy as np
import pytest
import torch
import transformers

from core_plugin_torch.run import TorchRunner
from hwcore.contract import Array, Artifact, Runner, Signature, TensorSpec, UserError
from hwcore.data import example_inputs

Source = Callable[..., Artifact]
Run = Callable[..., Runner]

AUTO: dict[str, Any] = {
    "feature-extraction": transformers.AutoModel,
    "text-classification": transformers.AutoModelForSequenceClassification,
    "image-classification": transformers.AutoModelForImageClassification,
}


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """The number of threads is the whole process's: leave it as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def _inputs(
    source: Artifact, batch: int = 2, sequence: int = 16, seed: int = 0
) -> dict[str, Array]:
    signature = source.component().signature
    wish = {"batch": batch, "sequence": sequence}
    return example_inputs(
        signature, {dim.name: wish[dim.name] for dim in signature.dims}, seed=seed
    )


@pytest.mark.parametrize(
    ("family", "task"),
    [(family, None) for family in models.FAMILIES] + [("bert", "feature-extraction")],
)
def test_gives_what_transformers_gives(
    family: models.Family, task: str | None, tiny_source: Source, run: Run
) -> None:
    source = tiny_source(family, task)
    model = AUTO[source.task].from_pretrained(source.root).eval()
    runner = run(source)
    [spec] = runner.signature.outputs
    for seed, (batch, sequence) in enumerate([(1, 1), (3, 16), (2, 33)]):
        inputs = _inputs(source, batch, sequence, seed)
        with torch.inference_mode():
            expected = model(**{name: torch.from_numpy(a) for name, a in inputs.items()})
        found = runner(inputs)
        assert list(found) == [spec.name]
        assert found[spec.name].dtype == np.float32
        np.testing.assert_allclose(found[spec.name], expected[spec.name].numpy(), rtol=0, atol=1e-5)


def test_is_a_runner(tiny_source: Source, run: Run) -> None:
    source = tiny_source("bert")
    runner = run(source)
    assert isinstance(runner, Runner)
    assert runner.signature == source.component().signature


def test_outputs_belong_to_the_caller(tiny_source: Source, run: Run) -> None:
    source = tiny_source("bert")
    runner = run(source)
    first = runner(_inputs(source))["logits"]
    kept = first.copy()
    second = runner(_inputs(source, seed=1))["logits"]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, kept)
    second[:] = 0
    np.testing.assert_array_equal(runner(_inputs(source))["logits"], kept)
    runner.close()
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("make", ["read-only", "strided", "reversed"])
@pytest.mark.parametrize("family", ["bert", "vit"])
def test_any_array_will_do(make: str, family: models.Family, tiny_source: Source, run: Run) -> None:
    source = tiny_source(family)
    runner = run(source)
    inputs = _inputs(source)
    given = {name: _unlike(array, make) for name, array in inputs.items()}
    np.testing.assert_array_equal(runner(given)["logits"], runner(inputs)["logits"])


def _unlike(array: Array, how: str) -> Array:
    if how == "strided":
        return np.repeat(array, 2, axis=1)[:, ::2]
    if how == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def test_inputs_are_read_where_they_lie(run: Run, tiny_source: Source) -> None:
    """A module that gives its input back shows that no copy was made on the way in."""
    spec = TensorSpec(name="x", dtype="float32", shape=(4,))
    signature = Signature(inputs=(spec,), outputs=(spec.model_copy(update={"name": "y"}),))

    class Whereabouts(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.tensor([float(x.data_ptr() == array.ctypes.data)]),)

    array = np.ones(4, np.float32)
    runner = TorchRunner(Whereabouts(), signature, dtype=torch.float32, threads=1)
    assert runner({"x": array})["y"].tolist() == [1.0]


def test_only_the_outputs_asked_for(tiny_source: Source, run: Run) -> None:
    source = tiny_source("bert")
    runner = run(source)
    assert set(runner(_inputs(source), outputs=["logits"])) == {"logits"}
    assert runner(_inputs(source), outputs=[]) == {}


def test_threads_do_not_mix_each_other_up(tiny_source: Source, run: Run) -> None:
    source = tiny_source("bert")
    runner = run(source)
    cases = [_inputs(source, 1 + seed % 3, 5 + 7 * (seed % 4), seed) for seed in range(12)]
    expected = [runner(case)["logits"] for case in cases]
    together = threading.Barrier(6)

    def work(worker: int) -> None:
        together.wait()
        for turn in range(20):
            case = (worker * 7 + turn) % len(cases)
            found = runner(cases[case])["logits"]
            np.testing.assert_allclose(found, expected[case], rtol=0, atol=1e-5)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


@pytest.mark.parametrize(("options", "expected"), [({}, 1), ({"threads": 2}, 2)])
def test_threads_are_the_steps_unless_named(
    options: dict[str, int], expected: int, tiny_source: Source, run: Run
) -> None:
    source = tiny_source("bert")
    runner = run(source, given=1, **options)
    torch.set_num_threads(3 - expected)  # as a second model in this process would
    runner(_inputs(source))
    assert torch.get_num_threads() == expected


def test_bfloat16_is_close_and_not_equal(tiny_source: Source, run: Run) -> None:
    for family in ("bert", "vit"):
        source = tiny_source(family)
        exact = run(source)(_inputs(source))["logits"]
        rounded = run(source, "eager-bf16")(_inputs(source))["logits"]
        assert rounded.dtype == np.float32
        assert 0 < np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()


def test_closing_twice_is_closing_once(tiny_source: Source, run: Run) -> None:
    source = tiny_source("bert")
    runner = run(source)
    runner.close()
    runner.close()
    with pytest.raises(UserError, match="this model is closed") as caught:
        runner(_inputs(source))
    assert caught.value.hint == "Load it again."


def test_closing_frees_the_module(tiny_source: Source) -> None:
    from hwcore.transformers import load_module

    source = tiny_source("bert")
    module = load_module(source)
    weight = weakref.ref(next(module.parameters()))
    runner = TorchRunner(module, source.component().signature, dtype=torch.float32, threads=1)
    runner(_inputs(source))
    del module
    gc.disable()  # counting references alone must do
    try:
        runner.close()
        assert weight() is None
    finally:
        gc.enable()


def test_a_call_costs_little_more_than_the_modules_own() -> None:
    """At most 30 µs over a module called by hand, one that does next to nothing."""
    ids = [
        TensorSpec(name=name, dtype="int64", shape=(1, 16))
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = TensorSpec(name="y", dtype="float32", shape=(1, 16, 384))
    table = torch.ones(8, 384)

    class Lookup(torch.nn.Module):
        def forward(self, *ids: torch.Tensor) -> tuple[torch.Tensor]:
            return (table[ids[0]],)

    inputs = {spec.name: np.ones((1, 16), np.int64) for spec in ids}
    module = Lookup()
    runner = TorchRunner(
        module,
        Signature(inputs=tuple(ids), outputs=(output,)),
        dtype=torch.float32,
        threads=torch.get_num_threads(),
    )

    def by_hand() -> Array:
        with torch.inference_mode():
            found: Array = module(*[torch.from_numpy(a) for a in inputs.values()])[0].numpy()
        return found

    seconds: dict[str, list[float]] = {"by hand": [], "runner": []}
    for _ in range(1000):
        for name, call in (("by hand", by_hand), ("runner", lambda: runner(inputs))):
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    # The lower quartile: the machine's other work is not the runner's.
    quartile = {name: float(np.percentile(found, 25)) for name, found in seconds.items()}
    assert quartile["runner"] - quartile["by hand"] <= 30e-6
