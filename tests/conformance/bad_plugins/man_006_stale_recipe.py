"""Its recipe names a capability that was renamed."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-006"
SAYS = "has a step export npy"
PATCHES = {"recipes/acme-numpy.yaml": ["capability: npz", "capability: npy"]}
