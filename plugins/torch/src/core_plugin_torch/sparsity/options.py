"""Options of the rows that sparsify."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core_plugin_torch.described import Described


class _Layers(Described):
    include: tuple[str, ...] = ()
    """Layers to prune instead of those of the repeated blocks: names as torch has them, or shell
    patterns (``*.attention.*``) for them or for what they lie in. Embeddings and heads are pruned
    only where this names them."""
    exclude: tuple[str, ...] = ()
    """Layers to leave as they are, by name or pattern."""


class _Zeros(_Layers):
    pattern: str = "unstructured"
    """Where zeros are: ``unstructured``, N:M as in ``2:4``, or blocks of rows × columns, as in
    ``1x4``; rows are outputs, columns inputs."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Of zeros in the layers that are pruned; null for a half, or for what N:M says."""
    distribution: Literal["uniform", "global", "sensitivity"] = "uniform"
    """Each layer's share: the same; what one threshold for all leaves; or less the more of its
    output a layer would lose."""
    spread: float = Field(default=0.1, gt=0, lt=1)
    """How far shares by sensitivity are from ``share`` at most."""


class MagnitudeOptions(_Zeros):
    """Options of ``magnitude``."""

    norm: Literal["l1", "l2"] = "l1"
    """By which blocks are compared; for single weights both are the same."""


class DataOptions(_Zeros):
    """Options of ``wanda`` and ``sparsegpt``."""

    rows: int = Field(default=128, ge=1)
    """Calibration rows to read at most, as the papers do."""


class _Units(Described):
    heads: float = Field(default=0.25, ge=0, lt=1)
    """Share of attention heads, of each layer; their weights are set to zero."""
    channels: float = Field(default=0.25, ge=0, lt=1)
    """Share of the inner channels of each feed-forward network. They are taken out where all
    layers lose as many, and set to zero where ``exclude`` leaves some as they are."""
    layers: int = Field(default=0, ge=0)
    """How many whole layers are taken out."""
    filters: float = Field(default=0.0, ge=0, lt=1)
    """Share of the filters of each convolution that is not an embedding; set to zero."""
    filter_channels: float = Field(default=0.0, ge=0, lt=1)
    """Share of the input channels of each of those convolutions; set to zero."""
    exclude: tuple[str, ...] = ()
    """Layers to leave as they are: names as torch has them (``bert.encoder.layer.0``), or shell
    patterns (``*.layer.1``)."""


class StructuredOptions(_Units):
    """Options of ``structured``."""

    norm: Literal["l1", "l2"] = "l2"
    """By which heads, channels and filters are compared. Whole layers go from the end on, but for
    the last (arXiv 2004.03844)."""


class StructuredDataOptions(_Units):
    """Options of ``structured-data``."""

    importance: Literal["wanda", "apoz"] = "wanda"
    """Of channels: what they add to the output on the rows, or how often they are above zero
    (arXiv 1607.03250). Heads go by what they add, layers by how little they change (arXiv
    2403.03853)."""
    rows: int = Field(default=128, ge=1)
    """Calibration rows to read at most."""
