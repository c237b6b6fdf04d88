"""Checks of a step's result: a lossless one equals its parent, a lossy one keeps its word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    PluginError,
    Runner,
    Signature,
    ToleranceExceeded,
    UserError,
    Value,
)
from hwcore.data import example_inputs
from hwcore.data.shapes import near
from hwcore.pipeline.tolerance import Difference, difference, tolerance_for

CASES = 3
BATCHES = (1, 2, 3)
OTHERS = (7, 33, 64, 16)
"""Sizes of made-up inputs: odd and even, below and above a vector register, one row and more."""

SIZE_SLACK_BYTES = 2 << 20
"""Graph structure, tokenizer and embedding tables' metadata next to the weights."""


class Check(Value):
    """What was checked of a step's result, kept beside it."""

    status: Literal["passed", "unchecked"]
    detail: str
    max_error: float | None = None
    """Relative to the parent's output; see ``tolerance``."""


def unlike_sizes(signature: Signature) -> Iterator[dict[str, int]]:
    """Sizes of the symbolic dimensions for each case, as unlike as the bounds allow."""
    for case in range(CASES):
        sizes = {}
        for place, dim in enumerate(signature.dims):
            wish = BATCHES[case] if dim.name == "batch" else OTHERS[(case + place) % len(OTHERS)]
            sizes[dim.name] = near(dim, wish)
        yield sizes


def check_signature(artifact: Artifact, parent: Artifact) -> None:
    """The result must take what its parent took, by the same names. Raises `PluginError`."""
    for name, component in parent.manifest.components.items():
        after = artifact.manifest.components.get(name)
        if after is None:
            raise PluginError(f"the component {name!r} was lost")
        for kind in ("inputs", "outputs"):
            before = [(s.name, s.dtype, len(s.shape)) for s in getattr(component.signature, kind)]
            now = [(s.name, s.dtype, len(s.shape)) for s in getattr(after.signature, kind)]
            if before != now:
                raise PluginError(f"the {kind} changed from {before} to {now}")
        for spec, was in zip(after.signature.outputs, component.signature.outputs, strict=True):
            # An open dimension may be fixed, a fixed one may not change.
            sizes = zip(spec.shape, was.shape, strict=True)
            if any(isinstance(old, int) and new != old for new, old in sizes):
                raise PluginError(
                    f"the output {spec.name!r} changed its shape from {was.shape} to {spec.shape}"
                )


def check_lossless(child: Runner, parent: Runner, artifact: Artifact, source: Artifact) -> Check:
    """Compare outputs on unlike shapes.

    Raises `ToleranceExceeded` with the first that differ, `UserError` where the parent's own
    are not finite.
    """
    tolerance = tolerance_for(source.traits)
    worst = Difference(0.0, 0.0)
    for inputs, sizes in _cases(artifact, source):
        expected, actual = parent(inputs), child(inputs)
        for name, reference in expected.items():
            _check_shape(name, reference.shape, actual[name], sizes)
            _check_finite(name, reference, source, sizes)
            found = difference(reference, actual[name])
            if not found.within(tolerance):
                raise ToleranceExceeded(
                    f"output {name!r} differs from the {source.format} model's by "
                    f"{found.max_error:.2g} of its size (allowed: {tolerance.max_error:.2g}), "
                    f"root mean square {found.rms_error:.2g} (allowed: "
                    f"{tolerance.rms_error:.2g}), at {sizes}"
                )
            worst = Difference(*map(max, worst, found))
    return Check(
        status="passed",
        detail=f"equals its parent over {CASES} shapes",
        max_error=worst.max_error,
    )


def _check_finite(name: str, reference: Array, source: Artifact, sizes: dict[str, int]) -> None:
    if not np.isfinite(np.asarray(reference, np.float64)).all():
        raise UserError(
            f"the {source.format} model itself gives values that are not finite in its output "
            f"{name!r}, at {sizes}: there is nothing to compare with",
            hint="Look for NaN or infinity in its weights, and train or save it again.",
        )


def check_lossy(child: Runner, artifact: Artifact, source: Artifact) -> Check:
    """Shapes and finiteness on made-up inputs, and the claimed size. Raises `ToleranceExceeded`."""
    declared = {spec.name: spec.shape for spec in artifact.component().signature.outputs}
    for inputs, sizes in _cases(artifact, source):
        for name, values in child(inputs).items():
            expected = tuple(sizes.get(n, n) if isinstance(n, str) else n for n in declared[name])
            _check_shape(name, expected, values, sizes)
            if not np.isfinite(np.asarray(values, np.float64)).all():
                raise ToleranceExceeded(f"output {name!r} is not finite at {sizes}")
    return Check(status="passed", detail=f"finite over {CASES} shapes{check_facts(artifact)}")


def check_facts(artifact: Artifact) -> str:
    """Hold claimed bits per weight against the bytes on disk. Raises `PluginError`."""
    bits, parameters = (artifact.manifest.facts.get(k) for k in ("bits_per_weight", "parameters"))
    if artifact.traits.quantization not in (None, "bf16") and not artifact.manifest.facts.get(
        "ops_quantized"
    ):
        raise PluginError("it claims a quantized model, but not one operation that was quantized")
    if not isinstance(bits, int | float) or not isinstance(parameters, int):
        return ""
    claimed = bits * parameters / 8
    if artifact.size_bytes > 1.1 * claimed + SIZE_SLACK_BYTES:
        raise PluginError(
            f"it claims {bits:.3g} bits per weight, {claimed / 1e6:.1f} MB for "
            f"{parameters} parameters, but the files hold {artifact.size_bytes / 1e6:.1f} MB"
        )
    return ", size as claimed"


def _cases(artifact: Artifact, source: Artifact) -> Iterator[tuple[Arrays, dict[str, int]]]:
    """Inputs of sizes that the result takes, filled as its source says: not by its own word."""
    signature = artifact.component().signature
    fills = {spec.name: spec.fill for spec in source.component().signature.inputs}
    inputs = tuple(s.model_copy(update={"fill": fills[s.name]}) for s in signature.inputs)
    filled = signature.model_copy(update={"inputs": inputs})
    for case, sizes in enumerate(unlike_sizes(filled)):
        made = example_inputs(filled, sizes, seed=case)
        yield made, filled.bind(made)


def _check_shape(
    name: str, expected: tuple[int | str, ...], actual: Array, sizes: dict[str, int]
) -> None:
    """A name left in ``expected`` stands for any size: no input has that dimension."""
    fits = len(expected) == actual.ndim and all(
        isinstance(wanted, str) or size == wanted
        for wanted, size in zip(expected, actual.shape, strict=True)
    )
    if not fits:
        shape = f"({', '.join(map(str, expected))})"
        raise ToleranceExceeded(
            f"output {name!r} has shape {actual.shape}, expected {shape}, at {sizes}"
        )
