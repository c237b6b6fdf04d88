"""Devices, which are here, and targets, which describe a device that may be elsewhere."""

from __future__ import annotations

import hashlib

from pydantic import Field

from hwcore.contract.base import Value


class Device(Value):
    """Something that can run a model on this machine, as a plugin or the core found it."""

    id: str
    """``cpu``, ``cuda:0`` …: unique on this machine."""
    kind: str
    """``cpu``, ``gpu``, ``npu``."""
    name: str
    """For people: ``AMD EPYC 9B45``."""
    vendor: str = ""
    features: tuple[str, ...] = ()
    """Sorted ISA features (``avx512_vnni``) or compute capability (``sm_90``)."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory a model may use, in bytes; 0 when unknown."""
    cores: int = Field(default=0, ge=0)
    """Cores this process may use; 0 where the word means nothing."""


class Target(Value):
    """What a plan is made for. Equal targets have equal fingerprints."""

    kind: str = "cpu"
    vendor: str = ""
    features: tuple[str, ...] = ()
    memory_bytes: int = Field(default=0, ge=0)
    cores: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, device: Device) -> Target:
        """The target that describes ``device``."""
        return cls(
            kind=device.kind,
            vendor=device.vendor,
            features=device.features,
            memory_bytes=device.memory_bytes,
            cores=device.cores,
        )

    def has(self, *features: str) -> bool:
        """True when the target has any of ``features``."""
        return any(feature in self.features for feature in features)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over kind, vendor and features: what compiled code depends on.

        Memory and core count are left out: they change between two starts of one machine.
        """
        text = "\n".join((self.kind, self.vendor, *self.features))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
