"""Small torch modules that are pruned, with nothing of transformers in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH, INNER, BLOCKS = 16, 32, 3


class Block(nn.Module):
    """A residual feed-forward network, called as transformers' blocks are."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, INNER)
        self.down = nn.Linear(INNER, WIDTH)

    def forward(self, hidden_states: Tensor, scale: Tensor | None = None) -> tuple[Tensor]:
        found = self.down(torch.relu(self.up(hidden_states)))
        return (hidden_states + (found if scale is None else found * scale),)


class Chain(nn.Module):
    """Blocks one after another, between an embedding and a head."""

    def __init__(self, *, shared: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(50, WIDTH)
        self.layers = nn.ModuleList([Block() for _ in range(1 if shared else BLOCKS)])
        self.head = nn.Linear(WIDTH, 2)
        self.times = BLOCKS if shared else 1
        # Some channels are much larger than others, as in trained transformers.
        self.embed.weight.data[:, ::5] *= 10

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.embed(ids)
        for _ in range(self.times):
            for place, block in enumerate(self.layers):
                # By keyword in some models, by position in others; the extra input differs.
                scale = torch.tensor(1.0 + place)
                if place % 2:
                    (hidden,) = block(hidden_states=hidden, scale=scale)
                else:
                    (hidden,) = block(hidden, scale)
        return self.head(hidden)


def rows(count: int = 12) -> list[Tensor]:
    """Token ids ``[1, length]`` of unlike lengths."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 50, (1, 5 + n % 7), generator=generator) for n in range(count)]


class Images(nn.Module):
    """Two convolutions and a head, without blocks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(8, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = torch.relu(self.second(torch.relu(self.first(pixels))))
        return self.head(hidden.mean(dim=(2, 3)))
