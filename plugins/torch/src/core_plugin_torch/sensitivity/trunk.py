"""The blocks of a model, which need not be computed again below the layer that is treated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn


class Trunk:
    """Blocks that are run one after another, once each.

    ``place`` is the batch that is at work: what was kept is kept for each batch.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        self.blocks = tuple(blocks)
        self.place = 0
        self._kept: dict[int, Any] = {}

    @contextmanager
    def counting(self) -> Iterator[Callable[[], int]]:
        """How many blocks have been run so far; for one batch, in the block of this ``with``."""
        done = 0

        def after(*_: object) -> None:
            nonlocal done
            done += 1

        with ExitStack() as hooks:
            for block in self.blocks:
                hooks.callback(block.register_forward_hook(after).remove)
            yield lambda: done

    @contextmanager
    def keeping(self, count: int) -> Iterator[None]:
        """Keep what the first ``count`` blocks give, batch by batch; at least one."""
        self._kept.clear()

        def after(block: nn.Module, arguments: Any, result: Any) -> None:
            self._kept[self.place] = result

        with ExitStack() as hooks:
            hooks.callback(self.blocks[count - 1].register_forward_hook(after).remove)
            yield

    @contextmanager
    def skipping(self, count: int) -> Iterator[None]:
        """The first ``count`` blocks are not run, and give what was kept.

        The blocks before the last of them give that, too, to one that does not look at it.
        """

        def given(*_: Any, **__: Any) -> Any:
            return self._kept[self.place]

        with ExitStack() as changes:
            for block in self.blocks[:count]:
                block.forward = given
                changes.callback(delattr, block, "forward")
            yield
