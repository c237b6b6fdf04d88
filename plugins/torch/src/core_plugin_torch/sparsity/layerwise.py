"""Through a model block by block, so that inputs are known for one block at a time.

What is held beside the model: the hidden states of all rows before one block, where blocks follow
one another, and the statistics of one block's layers. A block sees what the pruned blocks before
it make of the rows (SparseGPT, section 3.5 and its code; Wanda, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from core_plugin_torch.sparsity.layers import blocks
from core_plugin_torch.sparsity.statistics import Statistics, rows_of

Row = TypeVar("Row")
Visit = Callable[[str, Mapping[str, Statistics]], bool]
"""Told a block's name and the statistics of its layers; gives whether it has changed them."""
Beat = Callable[[], None]
"""Called after each row of each pass: for progress, and to raise where work is to stop."""

HIDDEN = "hidden_states"
WHOLE = ""
"""The name of all that is not in a block."""


def walk(
    model: nn.Module,
    forward: Callable[[Row], object],
    rows: Sequence[Row],
    layers: Mapping[str, nn.Module],
    visit: Visit,
    *,
    statistics: Callable[[int], Statistics],
    beat: Beat = lambda: None,
) -> None:
    """Visit the blocks of ``model`` that have some of ``layers``, in order, with statistics.

    ``forward`` runs the model on one row, or on several of one length: without padding, as every
    token counts. It must not keep anything in the model from row to row: switch caches of keys and
    values off. ``statistics`` makes an empty one for so many inputs. Layers outside the blocks
    come last, and take a run of the whole model. So does each block of a model whose blocks are
    not run one after another, once each, on what the one before gave: ALBERT's are not, nor are
    DeBERTa's with a convolution.
    """
    trunk = blocks(model)
    waiting = dict(layers)

    def through_all(name: str, some: Mapping[str, nn.Module]) -> None:
        with listening(some, statistics) as found:
            for row in rows:
                forward(row)
                beat()
        visit(name, found)

    with torch.no_grad():
        chain = _Chain.follow(trunk, forward, rows, beat) if trunk else None
        for name, block in trunk.items():
            inside = {n: waiting.pop(n) for n in list(waiting) if n.startswith(f"{name}.")}
            if chain is not None:
                chain.through(block, name, inside, visit, statistics, beat)
            elif inside:
                through_all(name, inside)
        if waiting:
            through_all(WHOLE, waiting)


def passes(model: nn.Module) -> int:
    """How many beats `walk` gives for each row, at most."""
    return 2 + 2 * len(blocks(model))


@contextmanager
def listening(
    layers: Mapping[str, nn.Module], make: Callable[[int], Any]
) -> Iterator[dict[str, Any]]:
    """Statistics of what the layers take meanwhile, by their names; ``make`` makes empty ones.

    A layer that takes the very tensor that the one before it took, as keys and values do after
    queries, shares its statistics.
    """
    found: dict[str, Any] = {}
    sharing: set[str] = set()
    last: dict[str, Any] = {}

    def listen(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            given = arguments[0]
            if name not in found:
                if last.get("input") is given:
                    found[name] = last["statistics"]
                    sharing.add(name)
                else:
                    found[name] = make(rows_of(layer, given).shape[1])
            if name not in sharing:
                found[name].add(rows_of(layer, given))
            last.update(input=given, statistics=found[name])

        return hook

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_pre_hook(listen(name)).remove)
        yield found


@dataclass(frozen=True)
class _Call:
    """What one block was called with, for one row, without its hidden states."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


class _Chain:
    """All rows on their way through the blocks: where they are, and what each block takes beside.

    What blocks take beside (masks, positions) is kept for every block, as they differ in some
    models; the blocks of one row mostly share one tensor.
    """

    def __init__(self, trunk: Mapping[str, nn.Module]) -> None:
        self._hidden: list[Tensor] = []
        """Of each row, before the block that is next."""
        self._calls: dict[int, list[_Call]] = {id(block): [] for block in trunk.values()}
        """By the block's id, for each row."""

    @classmethod
    def follow(
        cls,
        trunk: Mapping[str, nn.Module],
        forward: Callable[[Row], object],
        rows: Sequence[Row],
        beat: Beat,
    ) -> _Chain | None:
        """Run every row through the model once and take notes; ``None`` where it is no chain."""
        chain = cls(trunk)
        if len(chain._calls) < len(trunk):  # one block in several places
            return None
        order: list[nn.Module] = []
        state: dict[str, Any] = {"last": None, "linked": True}

        def before(block: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            hidden = arguments[0] if arguments else keywords.get(HIDDEN)
            if not order:
                chain._hidden.append(hidden)
            elif hidden is not state["last"]:
                state["linked"] = False
            order.append(block)
            rest = {k: v for k, v in keywords.items() if arguments or k != HIDDEN}
            chain._calls[id(block)].append(_Call(arguments[1:], rest))

        def after(block: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
            state["last"] = hidden_of(result)

        with ExitStack() as hooks:
            for block in trunk.values():
                hooks.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
                hooks.callback(block.register_forward_hook(after).remove)
            for row in rows:
                order.clear()
                forward(row)
                if order != list(trunk.values()) or not state["linked"]:
                    return None
                beat()
        return chain

    def through(
        self,
        block: nn.Module,
        name: str,
        layers: Mapping[str, nn.Module],
        visit: Visit,
        statistics: Callable[[int], Statistics],
        beat: Beat,
    ) -> None:
        """All rows through one block, whose layers are visited."""
        calls = self._calls.pop(id(block))
        with listening(layers, statistics) as found:
            after = self._run(block, calls, beat)
        if layers and visit(name, found):
            found.clear()
            after.clear()
            after = self._run(block, calls, beat)
        self._hidden = after

    def _run(self, block: nn.Module, calls: Sequence[_Call], beat: Beat) -> list[Tensor]:
        results = []
        for hidden, call in zip(self._hidden, calls, strict=True):
            results.append(hidden_of(block(hidden, *call.arguments, **call.keywords)))
            beat()
        return results


def hidden_of(result: Any) -> Any:
    """Blocks give their hidden states alone, or first."""
    return result[0] if isinstance(result, tuple) else result
