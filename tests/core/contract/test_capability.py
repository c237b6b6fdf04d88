"""Manifests: what a row needs, and what a manifest may not claim."""

from __future__ import annotations

import parts
import pytest
from pydantic import ValidationError

from hwcore.contract import Caveat, Manifest, Produces, Target, TargetNeed

GPU = Target(kind="gpu", features=("sm_90",))


@pytest.mark.parametrize(
    ("need", "target", "reason"),
    [
        (TargetNeed(), parts.CPU, None),
        (TargetNeed(any_of=("amx_int8", "vnni")), parts.CPU, None),
        (TargetNeed(kind="gpu"), GPU, None),
        (TargetNeed(), GPU, "needs a cpu, not a gpu"),
        (TargetNeed(any_of=("amx_int8", "amx_bf16")), parts.CPU, "needs amx_int8 or amx_bf16"),
    ],
)
def test_target_need(need: TargetNeed, target: Target, reason: str | None) -> None:
    assert need.mismatch(target) == reason


def test_a_caveat_applies_where_everything_it_wants_is_lacking() -> None:
    caveat = Caveat(text="int8 saturates", lacks=("vnni", "i8mm"))
    assert not caveat.applies(parts.CPU)
    assert caveat.applies(Target(features=("avx2",)))
    assert Caveat(text="always").applies(parts.CPU)


def test_output_belongs_to_every_hook_but_run() -> None:
    with pytest.raises(ValidationError, match="capability int8: output belongs to every hook but"):
        parts.row("int8", output=None)
    with pytest.raises(ValidationError, match="capability cpu: output belongs to every hook but"):
        parts.row("cpu", "run", output=Produces(format="toy"))


def test_only_a_lossless_run_row_is_the_reference() -> None:
    message = "capability {}: only a lossless run row can be the reference"
    with pytest.raises(ValidationError, match=message.format("bf16")):
        parts.row("bf16", "run", lossless=False, reference=True)
    with pytest.raises(ValidationError, match=message.format("onnx")):
        parts.row("onnx", "export", lossless=True, reference=True)
    assert parts.row("fp32", "run", reference=True).reference


@pytest.mark.parametrize("field", ["inputs", "targets"])
def test_a_row_that_nothing_can_ever_fit_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=f"{field}\n.*at least 1 item"):
        parts.row("int8", **{field: ()})


def manifest(**changes: object) -> Manifest:
    fields = {"name": "acme", "vendor": "Acme", "summary": "", "contract": ">=1"}
    return Manifest.model_validate(fields | changes)


def test_capability_ids_are_unique() -> None:
    with pytest.raises(ValidationError, match="capability int8 is declared twice"):
        manifest(capabilities=(parts.row("int8"), parts.row("int8", "export", lossless=True)))


def test_hooks_are_listed_once_in_order_with_devices_first() -> None:
    rows = (parts.row("cpu", "run"), parts.row("int8"), parts.row("int4"))
    assert manifest(capabilities=rows).hooks == ("run", "quantize")
    assert manifest(capabilities=rows, devices=True).hooks == ("devices", "run", "quantize")
    assert manifest().hooks == ()


def test_capabilities_are_found_by_id() -> None:
    found = manifest(capabilities=(parts.row("int8"),))
    assert found.capability("int8").hook == "quantize"
    with pytest.raises(KeyError, match="int4"):
        found.capability("int4")
