"""Through a model block by block, so that what layers read is held for one block at a time.

A block reads what the blocks before it give as they are by then: those that were rounded
meanwhile give what they will give at run time (arXiv 2210.17323, section 5, setup).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from core_plugin_intel import layers
from core_plugin_intel.rows import Row

HIDDEN = "hidden_states"


class Kept(Protocol):
    """What is kept of a layer's inputs."""

    def add(self, tokens: Tensor) -> None:
        """Float32 ``[tokens, inputs]`` of one row."""


K = TypeVar("K", bound=Kept)


def walk(
    module: nn.Module,
    names: Collection[str],
    rows: Callable[[], Iterable[Row]],
    make: Callable[[nn.Linear], K],
    beat: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, K]]:
    """What linear layers read, by name: those of one block, then of the next, then the others.

    ``names`` are those of `core_plugin_intel.layers.linears`. The layers of a block may be replaced
    before the next is asked for. ``rows`` gives the rows, from the first on at each call, ``make``
    what is to be kept of a layer; ``beat`` is called after each row of a block, and may raise.

    Each row is run through the whole model once, and then block by block. Where blocks are not run
    one after another, each once and on what the one before gave, the whole model is run for each:
    ALBERT runs one block many times.
    """
    if not names:
        return
    waiting = list(names)
    trunk = _trunk(module)
    journeys = _follow(module, list(trunk.values()), rows()) if trunk else None
    for name, block in trunk.items():
        inside = [n for n in waiting if f"{layers.PREFIX}{n}".startswith(f"{name}.")]
        waiting = [n for n in waiting if n not in inside]
        if inside:
            with _listening(module, inside, make) as found:
                if journeys is None:
                    _whole(module, rows())
                else:
                    for journey in journeys:
                        journey.through(block)
                        beat()
            yield found
        for journey in journeys or ():
            journey.go_on(block)
            beat()
    if waiting:
        with _listening(module, waiting, make) as found:
            _whole(module, rows())
        yield found


@dataclass
class _Journey:
    """One row on its way through the blocks."""

    hidden: Tensor
    """What the next block reads, float32 ``[1, tokens, width]``."""
    beside: list[tuple[tuple[Any, ...], dict[str, Any]]]
    """What the next block and those after it take besides: masks and positions, which differ from
    block to block in some models. Blocks that take equal ones share the tensors."""

    def through(self, block: nn.Module) -> Tensor:
        """What the next block gives."""
        arguments, keywords = self.beside[0]
        with torch.no_grad():
            return _hidden_of(block(self.hidden, *arguments, **keywords))

    def go_on(self, block: nn.Module) -> None:
        """Leave the next block behind."""
        self.hidden = self.through(block)
        del self.beside[0]


def _trunk(module: nn.Module) -> dict[str, nn.Module]:
    """The repeated blocks by name, in order: the outermost list of modules with most weights."""
    lists = {n: found for n, found in module.named_modules() if isinstance(found, nn.ModuleList)}
    outer = [n for n in lists if not any(n.startswith(f"{other}.") for other in lists)]
    if not outer:
        return {}
    name = max(outer, key=lambda n: sum(w.numel() for w in lists[n].parameters()))
    return {f"{name}.{place}": block for place, block in enumerate(lists[name])}


def _follow(
    module: nn.Module, blocks: Sequence[nn.Module], rows: Iterable[Row]
) -> list[_Journey] | None:
    """Run the rows, and note what blocks are called with; ``None`` where they are no chain."""
    called: list[tuple[nn.Module, Any, tuple[Any, ...], dict[str, Any]]] = []
    given: list[Any] = []

    def before(block: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        rest = {key: value for key, value in keywords.items() if arguments or key != HIDDEN}
        hidden = arguments[0] if arguments else keywords.get(HIDDEN)
        called.append((block, hidden, arguments[1:], rest))

    def after(_: nn.Module, __: tuple[Any, ...], result: Any) -> None:
        given.append(_hidden_of(result))

    journeys = []
    with torch.no_grad(), ExitStack() as hooks:
        for block in blocks:
            hooks.callback(block.register_forward_pre_hook(before, with_kwargs=True).remove)
            hooks.callback(block.register_forward_hook(after).remove)
        for row in rows:
            called.clear()
            given.clear()
            module(*row)
            linked = all(
                call[1] is hidden for call, hidden in zip(called[1:], given[:-1], strict=True)
            )
            if [call[0] for call in called] != blocks or not linked:
                return None
            if not isinstance(called[0][1], Tensor):  # it is called by another name
                return None
            journeys.append(_Journey(called[0][1], [call[2:] for call in called]))
    return journeys


@contextmanager
def _listening(
    module: nn.Module, names: Collection[str], make: Callable[[nn.Linear], K]
) -> Iterator[dict[str, K]]:
    """What the layers read meanwhile; nothing of one that is not run."""
    found: dict[str, K] = {}

    def listen(kept: K) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            kept.add(arguments[0].detach().flatten(0, -2))

        return hook

    with ExitStack() as hooks:
        for name in names:
            layer = layers.find(module, name)
            found[name] = make(layer)
            hooks.callback(layer.register_forward_pre_hook(listen(found[name])).remove)
        yield found


def _whole(module: nn.Module, rows: Iterable[Row]) -> None:
    with torch.no_grad():
        for row in rows:
            module(*row)


def _hidden_of(result: Any) -> Any:
    """Blocks give their hidden states alone, or first."""
    return result[0] if isinstance(result, tuple) else result
