"""A weight as packed codes and codebooks, and what it takes to be one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core_plugin_torch.cluster.kmeans import cluster, cluster_with_zero
from core_plugin_torch.cluster.packing import TOGETHER, pack, places, unpack


class Clustered(nn.Module):
    """A weight of few values; calling it gives the weight, in float32."""

    def __init__(
        self, weight: Tensor, bits: int, share: int | None, beat: Callable[[], None]
    ) -> None:
        """Cluster ``weight``, ``[outputs, …]``; ``share`` outputs have a codebook together.

        Zeros stay zeros where there are any. ``beat`` is called after each codebook.
        """
        super().__init__()
        matrix = weight.detach().float().flatten(1)
        outputs, self._inputs = matrix.shape
        self._shape = weight.shape
        self.bits = bits
        self._share = min(share or outputs, outputs)
        values, codes = [], []
        for part in matrix.split(self._share):
            make = cluster if bool(part.all()) else cluster_with_zero
            found = make(part, 1 << bits)
            values.append(found.values)
            codes.append(found.codes)
            beat()
        byte, low = places(bits)
        self.register_buffer("codebooks", torch.stack(values))
        self.register_buffer("packed", pack(torch.cat(codes), bits))
        self.register_buffer("byte", byte)
        self.register_buffer("low", low)

    def forward(self) -> Tensor:
        """The whole weight."""
        books = self.codebooks.repeat_interleave(self._share, dim=0)[: self._shape[0]]
        return self._decoded(books, self.packed).reshape(self._shape)

    def rows(self, ids: Tensor) -> Tensor:
        """Some outputs: int64 ``[…]`` to ``[…, inputs]``."""
        books = nn.functional.embedding(ids // self._share, self.codebooks)
        return self._decoded(books, nn.functional.embedding(ids, self.packed))

    def _decoded(self, books: Tensor, packed: Tensor) -> Tensor:
        """Each row of codes by its own codebook."""
        codes = unpack(packed, self._inputs, self.bits, self.byte, self.low)
        return books.gather(-1, codes)


def size(weight: Tensor, bits: int, share: int | None) -> int:
    """Bytes that a weight takes when it is clustered."""
    outputs, inputs = len(weight), weight[0].numel()
    packed = outputs * int(-(-inputs // TOGETHER)) * bits
    return packed + codebooks(weight, share) * (1 << bits) * 4 + 2 * TOGETHER


def codebooks(weight: Tensor, share: int | None) -> int:
    """How many a weight has."""
    return -(-len(weight) // (share or len(weight)))
