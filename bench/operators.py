"""ONNX's node tests through the onnxruntime plugin, against ONNX Runtime itself."""

from __future__ import annotations

from bench.rows import Row
from hwcore_conformance.operators.asking import profile_of
from hwcore_conformance.operators.profile import State

COMMAND = "hwcore conformance operators onnxruntime --compare"


def rows() -> list[Row]:
    """Every test of the installed onnx package, one process."""
    profile = profile_of("onnxruntime", compare=True)
    run = next(chain for chain in profile.chains if chain.name == "run cpu")
    assert run.differs is not None
    passed = run.totals[State.PASSED]
    return [
        Row(
            "operator profile: tests that pass through onnxruntime's plugin or directly, not both",
            "conformance", len(run.differs), "tests", "<= 0", COMMAND,
            f"{passed} of {len(profile.cases)} pass",
        ),
        Row(
            "the same profile, both chains and the comparison",
            "conformance", profile.seconds, "s", "<= 120", COMMAND,
        ),
    ]  # fmt: skip
