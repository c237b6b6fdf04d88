"""A plugin's manifest: what it claims, readable without importing it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from hwcore.contract.base import Name, Role, Value, WorkHook
from hwcore.contract.device import Target
from hwcore.contract.traits import Pattern, Produces


class TargetNeed(Value):
    """Hardware a capability asks for: a kind, and at least one of ``any_of`` where given."""

    kind: str = "cpu"
    any_of: tuple[str, ...] = ()

    def mismatch(self, target: Target) -> str | None:
        """Why the target does not do, in a few words; ``None`` when it does."""
        if target.kind != self.kind:
            return f"needs a {self.kind}, not a {target.kind}"
        if self.any_of and not target.has(*self.any_of):
            return f"needs {' or '.join(self.any_of)}"
        return None


class Caveat(Value):
    """A warning shown when the target lacks all of ``lacks`` (always, when that is empty)."""

    text: str
    lacks: tuple[str, ...] = ()

    def applies(self, target: Target) -> bool:
        return not (self.lacks and target.has(*self.lacks))


class DataNeed(Value):
    """Rows a capability reads: which role, and how few are too few."""

    role: Role
    rows: int = Field(default=1, ge=1)


class Capability(Value):
    """One row of a manifest: one thing a plugin can do."""

    id: Name
    hook: WorkHook
    summary: str = ""
    inputs: tuple[Pattern, ...] = Field(min_length=1)
    output: Produces | None = None
    """What comes out; ``None`` for ``run``, which gives a runner."""
    not_after: tuple[str, ...] = ()
    """Hooks, or ``plugin/capability``, that the source must not have been through."""
    tasks: tuple[str, ...] = ()
    """Tasks it works for; empty means any."""
    targets: tuple[TargetNeed, ...] = Field(default=(TargetNeed(),), min_length=1)
    """Hardware it works on: any one of these."""
    data: DataNeed | None = None
    lossless: bool
    """True when outputs must equal the source's within the numeric tolerance."""
    reference: bool = False
    """True for the ``run`` row that defines what the format's outputs are (the oracle)."""
    keeps: str | None = None
    """The option that takes a list of names of layers to leave as they are, as ``sensitivity``
    names them. Layers that the row would leave alone anyway do no harm in it."""
    extra: str | None = None
    """The extra of the plugin's wheel that this row needs, such as ``build``."""
    caveats: tuple[Caveat, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.output is None) != (self.hook == "run"):
            raise ValueError(f"capability {self.id}: output belongs to every hook but run")
        if self.reference and not (self.hook == "run" and self.lossless):
            raise ValueError(f"capability {self.id}: only a lossless run row can be the reference")
        if self.keeps is not None and (self.lossless or self.hook == "run"):
            raise ValueError(f"capability {self.id}: keeps belongs to rows that change weights")
        return self


class Manifest(Value):
    """``hwcore-plugin.toml``: everything the core knows of a plugin before loading its code."""

    name: Name
    vendor: str
    summary: str
    contract: str
    """Range of contract versions, as in ``>=1,<2`` (PEP 440 specifiers)."""
    devices: bool = False
    """True when the plugin implements ``devices``."""
    sensitivity: bool = False
    """True when the plugin implements ``sensitivity``; the key of its options is that word."""
    wraps: tuple[str, ...] = ()
    """Hooks that the plugin wraps; it is loaded before the first call of one of them."""
    libraries: tuple[str, ...] = ()
    """Distributions whose versions decide what the plugin computes; part of cache keys."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Variables its worker is started with, such as a vendor's telemetry switch."""
    recipes: tuple[str, ...] = ()
    """Files beside the manifest, in the package."""
    options: str | None = None
    """File beside the manifest: JSON Schema of the options, by capability id."""
    telemetry: str = "none"
    """What the vendor's libraries would send, and how the plugin stops them."""
    licences: dict[str, str] = Field(default_factory=dict)
    """Licence of each library it brings, by distribution name."""
    capabilities: tuple[Capability, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [row.id for row in self.capabilities]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"capability {twice[0]} is declared twice")
        if self.sensitivity and "sensitivity" in ids:
            raise ValueError("a capability cannot be called sensitivity beside that hook")
        return self

    @property
    def hooks(self) -> tuple[str, ...]:
        """Every hook the manifest claims, those without rows first, without repeats."""
        claimed: list[str] = [row.hook for row in self.capabilities]
        first = [hook for hook in ("devices", "sensitivity") if getattr(self, hook)]
        return tuple(dict.fromkeys(first + claimed))

    def capability(self, id: str) -> Capability:
        """The row with that id; `KeyError` if there is none."""
        for row in self.capabilities:
            if row.id == id:
                return row
        raise KeyError(id)
