"""Options of the row that clusters weights."""

from __future__ import annotations

from pydantic import Field

from core_plugin_torch.described import Described


class ClusterOptions(Described):
    """Options of ``cluster``."""

    bits: int = Field(default=8, ge=2, le=8)
    """Of a weight: its codebook has 2 to the power of this values. Five do for linear layers
    whose codebooks are trained (arXiv 1510.00149, section 5), as they are not here."""
    rows: int | None = Field(default=None, ge=1)
    """Outputs of a layer that share a codebook; null for all of them."""
    include: tuple[str, ...] = ()
    """Layers to cluster instead of those of the repeated blocks: names as torch has them, or
    shell patterns (``*.attention.*``) for them or for what they lie in. Embeddings and heads are
    clustered only where this names them."""
    exclude: tuple[str, ...] = ()
    """Layers to leave as they are, by name or pattern."""
