"""What is true of an artifact beyond its format, and what a capability asks of it."""

from __future__ import annotations

from pydantic import Field

from hwcore.contract.base import Name, Value


class Sparsity(Value):
    """Zeros that are there: the pattern (``unstructured``, ``2:4``, ``1x4`` …) and their share."""

    pattern: str
    share: float = Field(ge=0, lt=1)


class Traits(Value):
    """Format aside, what a later step has to know."""

    quantization: str | None = None
    """The scheme, such as ``int8-dynamic``; ``None`` while weights and maths are floating point."""
    op_domains: tuple[str, ...] = ()
    """Operator domains beyond the format's standard one, sorted (ONNX: ``com.microsoft``)."""
    sparsity: Sparsity | None = None
    bound_to: str | None = None
    """Fingerprint of the only target that this artifact runs on; ``None`` when it is portable."""
    stage: str | None = None
    """A name plugins agree on for how far lowering went, such as ``fused`` or ``compiled``."""


class Pattern(Value):
    """Which artifacts a capability takes. A field left out does not matter.

    ``quantization`` and ``stage`` list the values allowed; the word ``none`` stands for unset.
    ``op_domains`` lists the domains that may occur.
    """

    format: Name
    quantization: tuple[str, ...] | None = None
    stage: tuple[str, ...] | None = None
    op_domains: tuple[str, ...] | None = None

    def mismatch(self, format: str, traits: Traits, target_fingerprint: str | None) -> str | None:
        """Why an artifact does not fit, in a few words; ``None`` when it does."""
        if format != self.format:
            return f"takes {self.format}, not {format}"
        for what in ("quantization", "stage"):
            allowed: tuple[str, ...] | None = getattr(self, what)
            actual = getattr(traits, what) or "none"
            if allowed is not None and actual not in allowed:
                return f"takes {what} {' or '.join(allowed)}, not {actual}"
        if self.op_domains is not None:
            foreign = sorted(set(traits.op_domains) - set(self.op_domains))
            if foreign:
                return f"does not know the operator domain {', '.join(foreign)}"
        if traits.bound_to is not None and traits.bound_to != target_fingerprint:
            return "the artifact was compiled for other hardware"
        return None


class Produces(Value):
    """What a capability makes of an artifact: a trait left out is inherited from the source."""

    format: Name
    quantization: str | None = None
    stage: str | None = None
    op_domains: tuple[str, ...] | None = None
    bound: bool = False
    """True when the result runs on the target it was made for and nowhere else."""
