"""The wire of a loaded model, both ends of it in this process."""

from __future__ import annotations

import gc
import os
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hwcore.contract import Arrays, Dim, PluginError, Signature, TensorSpec, UserError
from hwcore.host.hosted import HostedModel
from hwcore.host.worker.arena import Arena, create_file
from hwcore.host.worker.channel import INLINE
from hwcore.host.worker.lane import Lane
from hwcore.host.worker.layout import MAX_KNOWN, Layout, Received, Sent
from hwcore.host.worker.serving import serve

Named = Mapping[str, np.ndarray[Any, Any]]


class Engine:
    """Returns its inputs, or makes an output of so many bytes."""

    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=("n",)),),
        outputs=(TensorSpec(name="none", dtype="float32", shape=("n",)),),
        dims=(Dim(name="n"),),
    )

    def __init__(self) -> None:
        self.asked: list[Sequence[str] | None] = []
        self.calls = 0

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Any]:
        self.calls += 1
        self.asked.append(outputs)
        if outputs == ("large",):
            size = int(inputs["x"][0])
            return {"large": np.full(size // 4, self.calls, np.float32)}
        if outputs == ("error",):
            raise RuntimeError("upside down")
        if outputs == ("user",):
            raise UserError("no", hint="yes")
        wanted = inputs if outputs is None else outputs
        return {name: inputs[name] for name in wanted}

    def close(self) -> None:
        pass


class Echo(HostedModel):
    """Takes whatever it is given, for arrays of any name."""

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Any]:
        return super().__call__(inputs, tuple(inputs) if outputs is None else outputs)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def lane(engine: Engine) -> Iterator[Lane]:
    ours, theirs = socket.socketpair()
    model = Echo(engine, "acme", "1.0", 0.0)
    server = threading.Thread(target=serve, args=(theirs, model))
    server.start()
    lane = Lane(ours)
    yield lane
    lane.close()
    server.join()


def large(lane: Lane, nbytes: int) -> np.ndarray[Any, Any]:
    return lane.call({"x": np.array([nbytes], np.float32)}, ("large",))["large"]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.arange(6, dtype=">i4"),
        np.array(2.5, np.float64),
        np.zeros((0, 3), np.int8),
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.arange(24)[::-2],
        np.array([1.5, -2, 3e38]).astype(ml_dtypes.bfloat16),
        np.array([1, 2]).astype(ml_dtypes.float8_e4m3fn),
        np.array([1, -2]).astype(ml_dtypes.int4),
        np.arange(100_000, dtype=np.float64).reshape(100, -1).T,
        np.arange(50_000).astype(ml_dtypes.bfloat16).reshape(100, 500)[::2],
    ],
    ids=lambda a: f"{a.dtype}-{a.shape}",
)
def test_arrays_of_every_kind_cross(lane: Lane, array: np.ndarray[Any, Any]) -> None:
    for _ in range(2):
        result = lane.call({"x": array}, None)["x"]
        assert result.dtype == array.dtype
        assert result.shape == array.shape
        np.testing.assert_array_equal(result, array)


def test_several_arrays_each_at_a_cache_line(lane: Lane) -> None:
    arrays = {f"a{i}": np.full((3, i), i, np.int16) for i in range(1, 70)}
    result = lane.call(arrays, None)
    assert list(result) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(result[name], array)
    layout = Layout.of(arrays)
    assert all(offset % 64 == 0 for offset in layout.offsets)


def test_what_is_asked_for_reaches_the_runner(lane: Lane, engine: Engine) -> None:
    arrays = {"a": np.ones(2), "b": np.ones(2)}
    assert list(lane.call(arrays, ("b",))) == ["b"]
    assert list(lane.call(arrays, ("b", "a"))) == ["b", "a"]
    assert engine.asked == [("b",), ("b", "a")]


def test_large_results_are_the_callers_for_as_long_as_it_holds_any_of_them(lane: Lane) -> None:
    kept = [large(lane, 1 << 20) for _ in range(5)]
    part = kept[2][10:20].reshape(2, 5)
    del kept[2]
    gc.collect()
    for _ in range(3):
        large(lane, 1 << 20)
    assert [float(array[0]) for array in kept] == [1, 2, 4, 5]
    assert float(part.sum()) == 30
    kept[0] += 1  # writable, and nobody else's
    assert float(large(lane, 1 << 20)[0]) == 9


def test_a_caller_that_holds_very_many_results_is_given_copies(lane: Lane) -> None:
    kept = [large(lane, 1 << 20) for _ in range(40)]
    assert [float(array[-1]) for array in kept] == list(range(1, 41))
    assert lane._arena._next < 20
    assert kept[-1].flags.owndata
    assert kept[-1].flags.writeable


def test_large_results_that_a_fork_holds_too_stay_as_they_are(lane: Lane) -> None:
    kept = large(lane, 1 << 20)
    asks, told = os.pipe()
    answers, answer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, by 3.12
        child = os.fork()
    if child == 0:
        os.read(asks, 1)
        os.write(answer, bytes([int(kept[0]), int(kept[-1])]))
        os._exit(0)
    del kept
    gc.collect()
    for _ in range(10):
        large(lane, 1 << 20)
    os.write(told, b"!")
    assert os.read(answers, 2) == bytes([1, 1])
    os.waitpid(child, 0)
    for fd in (asks, told, answers, answer):
        os.close(fd)


def test_large_results_outlive_the_lane(lane: Lane) -> None:
    kept = large(lane, 1 << 20)
    lane.close()
    assert float(kept[-1]) == 1


def test_segments_are_reused_and_a_burst_of_them_is_given_up(lane: Lane) -> None:
    for _ in range(20):
        large(lane, 1 << 20)
    assert lane._arena._next == 2
    kept = [large(lane, 1 << 20) for _ in range(20)]
    del kept
    gc.collect()
    large(lane, 1 << 20)
    assert len(lane._arena._free) <= 7


def test_results_that_grow_and_shrink_between_calls(lane: Lane) -> None:
    for nbytes in (INLINE, INLINE + 4, 5 << 20, 100, 3 << 20, INLINE, 6 << 20):
        for _ in range(2):
            assert large(lane, nbytes).nbytes == nbytes


def test_more_layouts_than_either_side_remembers(lane: Lane) -> None:
    for _ in range(2):
        for n in range(1, MAX_KNOWN + 40):
            assert lane.call({"x": np.ones(n, np.int8)}, None)["x"].sum() == n


def test_calls_like_earlier_ones_are_told_apart_from_each_other(lane: Lane) -> None:
    kinds: list[tuple[Named, tuple[str, ...] | None]] = [
        ({"x": np.ones(3), "y": np.ones(2)}, None),
        ({"x": np.ones(3), "y": np.ones(2)}, ("y",)),
        ({"y": np.ones(2), "x": np.ones(3)}, None),
        ({"x": np.ones(3, np.float32), "y": np.ones(2)}, None),
        ({"x": np.ones((1, 3)), "y": np.ones(2)}, None),
    ]
    for number in range(4):
        for inputs, outputs in kinds:
            arrays = {name: array * number for name, array in inputs.items()}
            result = lane.call(arrays, outputs)
            assert list(result) == list(arrays if outputs is None else outputs)
            for name, array in result.items():
                assert array.dtype == arrays[name].dtype
                np.testing.assert_array_equal(array, arrays[name])
            with pytest.raises(UserError):
                lane.call(arrays, ("user",))


def test_a_name_as_long_as_a_frame(lane: Lane) -> None:
    name = "n" * 200_000
    assert lane.call({name: np.ones(3)}, None)[name].sum() == 3
    assert lane.call({"x": np.ones(3)}, None)["x"].sum() == 3


def test_errors_cross_with_what_they_say(lane: Lane) -> None:
    x = {"x": np.ones(3)}
    with pytest.raises(
        PluginError, match=r"plugin acme 1\.0, hook run: RuntimeError: upside down"
    ) as e:
        lane.call(x, ("error",))
    assert "in __call__" in (e.value.details or "")
    with pytest.raises(UserError, match="no") as caught:
        lane.call(x, ("user",))
    assert caught.value.hint == "yes"
    assert lane.call(x, None)["x"].sum() == 3


def test_timed_calls_cycle_through_their_inputs(lane: Lane, engine: Engine) -> None:
    small = {"x": np.ones(3, np.float32)}
    long = {"x": np.ones(1 << 20, np.float32)}
    times = lane.time_calls([small, long], 5)
    assert len(times) == 5
    assert engine.calls == 5


def test_a_lane_that_is_hung_up_ends_the_call_in_flight(engine: Engine) -> None:
    ours, theirs = socket.socketpair()
    lane = Lane(ours)
    threading.Timer(0.1, lane.hang_up).start()
    with pytest.raises(EOFError, match="the other end of the lane is closed"):
        lane.call({"x": np.ones(1)}, None)
    theirs.close()
    lane.close()


def test_layouts_are_sent_once() -> None:
    sent, received = Sent(), Received()
    first = sent.layout({"x": np.ones((2, 3))}, None)
    number, text = sent.number(first)
    assert sent.layout({"x": np.zeros((2, 3))}, None) is first
    assert sent.layout({"x": np.ones((2, 3))}, ("y",)) is not first
    assert sent.number(first) == (number, b"")
    copy = received.add(number, text)
    assert received[number] is copy
    assert (copy.names, copy.dtypes, copy.shapes) == (first.names, first.dtypes, first.shapes)


def test_arrays_of_objects_have_no_layout() -> None:
    with pytest.raises(TypeError, match="array 'x' has dtype object, which is not plain numbers"):
        Layout.of({"x": np.array([object()])})


def test_an_arena_takes_a_segment_that_fits_and_is_not_far_too_large() -> None:
    arena = Arena()
    segment, fd = arena.create(10 << 20)
    os.close(fd)
    arena.release(segment)
    assert arena.reuse(100_000) is None
    assert arena.reuse(20 << 20) is None
    assert arena.reuse(9 << 20) is segment
    assert arena.reuse(9 << 20) is None


def test_shared_memory_without_memfd(monkeypatch: pytest.MonkeyPatch, lane: Lane) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    with os.fdopen(create_file(1 << 16), "rb") as file:
        assert len(file.read()) == 1 << 16
    assert float(large(lane, 1 << 20)[-1]) == 1
