"""The runner: whose memory is whose, several threads, options, closing, what it needs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime_steps import RecordingContext, Steps, inputs_of

from core_plugin_onnxruntime import session
from core_plugin_onnxruntime.options import RunOptions
from core_plugin_onnxruntime.run import OnnxRuntimeRunner, configuration
from hwcore.contract import Array, Artifact, Runner, Signature, Target, UserError

Source = Callable[..., Artifact]


@pytest.fixture(scope="module")
def exported(tiny_source: Source, steps: Steps) -> Artifact:
    return steps.do("onnx", tiny_source("bert"))


def _inputs(
    artifact: Artifact, batch: int = 2, sequence: int = 16, seed: int = 0
) -> dict[str, Array]:
    return inputs_of(artifact.component().signature, batch, sequence, seed)


def test_is_a_runner(exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    assert isinstance(runner, Runner)
    assert runner.signature == exported.component().signature


def test_outputs_belong_to_the_caller(exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    inputs = [_inputs(exported, seed=seed) for seed in range(2)]
    first = runner(inputs[0])["logits"]
    kept = first.copy()
    second = runner(inputs[1])["logits"]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, kept)
    second[:] = 0
    np.testing.assert_array_equal(runner(inputs[0])["logits"], kept)
    runner.close()
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("make", ["read-only", "strided", "fortran", "reversed"])
def test_any_array_will_do(make: str, exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    inputs = _inputs(exported)
    expected = runner(inputs)["logits"]
    given = {name: _unlike(array, make) for name, array in inputs.items()}
    np.testing.assert_array_equal(runner(given)["logits"], expected)
    for name, array in inputs.items():
        np.testing.assert_array_equal(given[name], array)


def _unlike(array: Array, how: str) -> Array:
    match how:
        case "strided":
            return np.repeat(array, 2, axis=1)[:, ::2]
        case "fortran":
            return np.asfortranarray(array)
        case "reversed":
            return np.ascontiguousarray(array[::-1])[::-1]
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def test_only_the_outputs_asked_for(exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    assert set(runner(_inputs(exported))) == {"logits"}
    assert set(runner(_inputs(exported), outputs=("logits",))) == {"logits"}
    assert runner(_inputs(exported), outputs=[]) == {}


def test_threads_do_not_mix_each_other_up(exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    cases = [_inputs(exported, 1 + seed % 3, 5 + 7 * (seed % 4), seed) for seed in range(12)]
    expected = [runner(case)["logits"] for case in cases]
    together = threading.Barrier(6)

    def work(worker: int) -> None:
        together.wait()
        for turn in range(30):
            case = (worker * 7 + turn) % len(cases)
            np.testing.assert_array_equal(runner(cases[case])["logits"], expected[case])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


def test_closing_twice_is_closing_once(exported: Artifact, steps: Steps) -> None:
    runner = steps.run(exported)
    runner.close()
    runner.close()
    with pytest.raises(UserError, match="this model is closed") as caught:
        runner(_inputs(exported))
    assert caught.value.hint == "Load it again."


def test_closing_while_others_call(exported: Artifact, steps: Steps) -> None:
    for _ in range(5):
        runner = steps.run(exported)
        expected = runner(_inputs(exported))["logits"]
        ended: list[str] = []

        def work(runner: Runner = runner, expected: Array = expected) -> None:
            try:
                while True:
                    np.testing.assert_array_equal(runner(_inputs(exported))["logits"], expected)
            except UserError as error:
                ended.append(error.message)  # noqa: B023 - threads end within the iteration

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        runner.close()
        for worker in workers:
            worker.join(30)
        assert ended == ["this model is closed"] * 3


def test_closing_frees_the_memory(minilm_source: Artifact, steps: Steps) -> None:
    """For the next model: the C library may keep it, and does not ask for more."""
    done = _in_a_new_process(
        steps.do("onnx", minilm_source),
        """
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
x = example_inputs(artifact.component().signature)
before = anonymous()
for _ in range(5):
    runner = load()
    runner(x)
    print(anonymous() - before)
    runner.close()
""",
    )
    first, *_, last = map(int, done.split())
    assert first > 20_000  # KiB
    assert last < 1.5 * first


@pytest.mark.parametrize("capability", ["onnx", "int8-dynamic", "fused"])
def test_needs_no_library_but_onnxruntime_and_numpy(
    capability: str, exported: Artifact, steps: Steps
) -> None:
    artifact = exported if capability == "onnx" else steps.do(capability, exported)
    done = _in_a_new_process(
        artifact,
        """
runner = load()
print(sum(array.size for array in runner(example_inputs(runner.signature)).values()))
print(*sorted(set(sys.modules) & {"torch", "transformers", "onnx", "sympy"}))
""",
        blocked=("torch", "transformers", "onnx", "onnxscript", "sympy"),
    )
    assert done.split() == ["4"]


def test_nothing_is_printed(exported: Artifact) -> None:
    assert (
        _in_a_new_process(exported, "load()(example_inputs(artifact.component().signature))") == ""
    )


def _in_a_new_process(artifact: Artifact, body: str, blocked: tuple[str, ...] = ()) -> str:
    script = f"""
import sys
from pathlib import Path
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name + " is blocked", name=name)
sys.meta_path.insert(0, Blocked())
from core_plugin_onnxruntime import plugin
from hwcore.artifacts import read_artifact
from hwcore.contract import Target
from hwcore.data import example_inputs
class Silent:
    seed, threads = 0, 2
    def log(self, message, level):
        assert level == "warning"
artifact = read_artifact(Path({str(artifact.path)!r}))
def load():
    return plugin.run(artifact=artifact, options={{}}, target=Target(), ctx=Silent())
{body}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_options_reach_the_engine() -> None:
    made = session.options(threads=3, level="basic")
    assert made.intra_op_num_threads == 3
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert made.log_severity_level == 3  # errors


def test_threads_are_the_steps_unless_named() -> None:
    assert configuration(RunOptions(), 1).intra_op_num_threads == 1
    assert configuration(RunOptions(threads=3), 1).intra_op_num_threads == 3


@pytest.mark.parametrize(("asked", "value"), [(True, "1"), (False, "0")])
def test_spinning_is_as_asked(asked: bool, value: str) -> None:
    made = configuration(RunOptions(spinning=asked), 1)
    assert made.get_session_config_entry("session.intra_op.allow_spinning") == value


def test_the_slow_kernel_is_left_out_at_load(exported: Artifact, tmp_path: Path) -> None:
    """The levels are ONNX Runtime's own; what it would make of a graph that was not compiled."""
    found = {}
    for disabled in (RunOptions().disabled_optimizers, ()):
        options = session.options(threads=1, level="all")
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        session.from_file(exported.component_file(), options, disabled)
        model = onnx.load(tmp_path / "optimized.onnx")
        found[disabled] = sum(n.op_type == "SkipLayerNormalization" for n in model.graph.node)
    assert found == {("SkipLayerNormFusion",): 0, (): 4}


def test_int8_without_a_dot_product_is_warned_of(
    exported: Artifact, steps: Steps, target: Target
) -> None:
    int8 = steps.do("int8-dynamic", exported)
    old = target.model_copy(update={"features": ("avx2",)})
    ctx = RecordingContext()
    steps.run(int8, target=old, ctx=ctx)
    ((level, message),) = ctx.lines
    assert level == "warning"
    assert "no int8 dot product" in message
    for artifact, machine in (
        (exported, old),
        (int8, old.model_copy(update={"features": ("vnni",)})),
    ):
        ctx = RecordingContext()
        steps.run(artifact, target=machine, ctx=ctx)
        assert ctx.lines == []


def test_a_call_costs_little_more_than_the_engines_own() -> None:
    """At most 30 µs over a session called by hand, on a model that does next to nothing."""
    names = ["input_ids", "attention_mask", "token_type_ids"]
    graph = helper.make_graph(
        [
            helper.make_node("Add", names[:2], ["some"]),
            helper.make_node("Add", ["some", names[2]], ["all"]),
            helper.make_node("Gather", ["table", "all"], ["last_hidden_state"]),
        ],
        "test",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"]) for n in names],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((8, 384), np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    made = session.from_model(model, Path(), session.options(threads=1, level="all"))
    inputs = {name: np.ones((1, 16), np.int64) for name in names}
    runner = OnnxRuntimeRunner(made, Signature(inputs=(), outputs=()))
    wanted = ["last_hidden_state"]
    seconds: dict[str, list[float]] = {"by hand": [], "runner": []}
    for _ in range(1000):
        for name, call in (
            ("by hand", lambda: made.run(wanted, inputs)),
            ("runner", lambda: runner(inputs, wanted)),
        ):
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    # The lower quartile: the machine's other work is not the runner's.
    quartile = {name: float(np.percentile(found, 25)) for name, found in seconds.items()}
    assert quartile["runner"] - quartile["by hand"] <= 30e-6
