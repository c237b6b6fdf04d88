"""Which artifacts a pattern takes, and the few words it gives for those it does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hwcore.contract import Pattern, Sparsity, Traits

INT8 = Traits(quantization="int8-static")
FUSED = Traits(stage="fused", op_domains=("com.acme", "com.microsoft"))


@pytest.mark.parametrize(
    ("pattern", "traits"),
    [
        (Pattern(format="onnx"), Traits()),
        (Pattern(format="onnx"), INT8),
        (Pattern(format="onnx"), FUSED),
        (Pattern(format="onnx", quantization=("none", "int8-static")), INT8),
        (Pattern(format="onnx", quantization=("none",), stage=("none",)), Traits()),
        (Pattern(format="onnx", op_domains=("com.acme", "com.microsoft", "x")), FUSED),
        (Pattern(format="onnx", op_domains=()), Traits()),
        (Pattern(format="onnx"), Traits(bound_to="here")),
    ],
)
def test_fits(pattern: Pattern, traits: Traits) -> None:
    assert pattern.mismatch("onnx", traits, "here") is None


@pytest.mark.parametrize(
    ("pattern", "format", "traits", "reason"),
    [
        (Pattern(format="onnx"), "tvm", Traits(), "takes onnx, not tvm"),
        (
            Pattern(format="onnx", quantization=("none", "bf16")),
            "onnx",
            INT8,
            "takes quantization none or bf16, not int8-static",
        ),
        (
            Pattern(format="onnx", quantization=("int8-static",)),
            "onnx",
            Traits(),
            "takes quantization int8-static, not none",
        ),
        (
            Pattern(format="onnx", stage=("none",)),
            "onnx",
            FUSED,
            "takes stage none, not fused",
        ),
        (
            Pattern(format="onnx", op_domains=("com.acme",)),
            "onnx",
            FUSED,
            "does not know the operator domain com.microsoft",
        ),
        (
            Pattern(format="onnx"),
            "onnx",
            Traits(bound_to="elsewhere"),
            "the artifact was compiled for other hardware",
        ),
    ],
)
def test_mismatch(pattern: Pattern, format: str, traits: Traits, reason: str) -> None:
    assert pattern.mismatch(format, traits, "here") == reason


def test_a_bound_artifact_fits_no_unknown_target() -> None:
    reason = Pattern(format="onnx").mismatch("onnx", Traits(bound_to="here"), None)
    assert reason == "the artifact was compiled for other hardware"


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_of_zeros_is_below_one(share: float) -> None:
    with pytest.raises(ValidationError, match="share"):
        Sparsity(pattern="2:4", share=share)
