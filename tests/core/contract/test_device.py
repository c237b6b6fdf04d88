"""Targets and their fingerprints."""

from __future__ import annotations

import pytest

from hwcore.contract import Device, Target

TARGET = Target(kind="cpu", vendor="AMD", features=("avx2", "vnni"), memory_bytes=8, cores=2)


def test_a_target_describes_a_device() -> None:
    device = Device(
        id="cpu",
        kind="cpu",
        name="EPYC",
        vendor="AMD",
        features=("avx2", "vnni"),
        memory_bytes=8,
        cores=2,
    )
    assert Target.of(device) == TARGET


def test_has_any_of_the_features() -> None:
    assert TARGET.has("amx", "vnni")
    assert not TARGET.has("amx")
    assert not TARGET.has()


@pytest.mark.parametrize(
    "change", [{"kind": "gpu"}, {"vendor": "Intel"}, {"features": ("avx2",)}], ids=str
)
def test_a_fingerprint_tells_what_compiled_code_depends_on(change: dict[str, object]) -> None:
    before = TARGET.fingerprint  # asked for first: a copy must not inherit it
    assert len(before) == 16
    assert TARGET.model_copy(update=change).fingerprint != before


@pytest.mark.parametrize("change", [{"memory_bytes": 9}, {"cores": 64}], ids=str)
def test_a_fingerprint_outlives_a_change_of_memory_or_cores(change: dict[str, object]) -> None:
    assert TARGET.model_copy(update=change).fingerprint == TARGET.fingerprint


def test_fingerprints_do_not_run_parts_together() -> None:
    assert Target(vendor="a", features=("b",)).fingerprint != Target(vendor="ab").fingerprint
