"""The format: what is counted in a program, and a disk that is full."""

from __future__ import annotations

import errno
from pathlib import Path

import parts
import pytest
import torch
from engine_steps import program_of

from core_plugin_torch import program as programs
from core_plugin_torch.sink import Sink
from core_plugin_torch.weights import count, stored


class Two(torch.nn.Module):
    """A weight of 12 numbers that is used twice, a bias, and positions that are no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, 3)
        self.second = torch.nn.Linear(4, 3, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("positions", torch.arange(4))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.first(x) + self.second(x + self.positions),)


def test_shared_weights_count_once_and_positions_never(tmp_path: Path) -> None:
    artifact = program_of(Two(), parts.vector_signature(), tmp_path / "two")
    facts = artifact.manifest.facts
    assert facts["parameters"] == 12 + 3
    assert facts["weight_bytes"] == 4 * 15
    assert facts["bits_per_weight"] == 32
    assert facts["ops_quantized"] == 0
    program = programs.read(artifact)
    assert {tensor.dtype for tensor in stored(program).values()} == {torch.float32, torch.int64}


class Rounded(torch.nn.Module):
    """Three products: of stored int8, of int8 that is rounded in the call, of floating point."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones(3, 4, dtype=torch.int8))
        self.register_buffer("scale", torch.full((3, 1), 0.5))
        self.plain = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        weight = self.kept.to(torch.float32) * self.scale
        now = self.plain.weight.to(torch.int8).to(torch.float32)
        found = torch.nn.functional.linear(x, weight) + torch.nn.functional.linear(x, now)
        return (found + self.plain(x),)


def test_only_stored_integers_make_a_quantized_operation(tmp_path: Path) -> None:
    artifact = program_of(Rounded(), parts.vector_signature(), tmp_path / "rounded")
    found = count(programs.read(artifact))
    assert found.operations == 1
    assert found.parameters == 12 + 3 + 12 + 3  # a scale that no operator names is a weight
    assert found.bytes == 12 + 4 * (3 + 12 + 3)


def test_a_program_without_weights_has_no_bits(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x[:, :3] * 2,)

    artifact = program_of(Plain(), parts.vector_signature(), tmp_path / "plain")
    assert artifact.manifest.facts["bits_per_weight"] == 0


def test_a_full_disk_is_an_error_and_no_abort(tmp_path: Path) -> None:
    class Large(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3, 4, 10_000))

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x @ self.weight[..., 0].T,)

    with (
        parts.small_disk(tmp_path / "disk", "64k") as disk,
        pytest.raises(OSError, match="No space left") as error,
    ):
        program_of(Large(), parts.vector_signature(), disk / "large")
    assert error.value.errno == errno.ENOSPC


def test_a_sink_keeps_the_first_error(tmp_path: Path) -> None:
    def write() -> None:
        with Sink(Path("/dev/full")) as sink:
            assert sink.write(bytes(1 << 20)) == 1 << 20
            assert sink.write(b"more") == 4

    with pytest.raises(OSError, match="No space left"):
        write()
    with Sink(tmp_path / "file") as sink:
        sink.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"
