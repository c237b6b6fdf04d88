"""A model that a host has loaded."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from types import TracebackType
from typing import Self

from hwcore.contract import Array, Arrays, PluginError, Runner, Signature, UserError
from hwcore.host.door import ModelHandle

MAX_KNOWN = 512
"""Kinds of inputs remembered; with more than that, remembering starts again."""

Call = Callable[[Arrays, Sequence[str] | None], "dict[str, Array]"]


class LoadedModel:
    """A `hwcore.contract.Runner`, wherever the plugin lives. Safe to call from several threads.

    Left unclosed, it closes when it is garbage-collected.
    """

    def __init__(self, handle: ModelHandle, before: Runner | None = None) -> None:
        """``before`` is what a hook wrapper put before ``handle``: calls go to it."""
        self.signature: Signature = handle.signature
        self.load_seconds: float = handle.load_seconds
        self._handle = handle
        self._call: Call = handle if before is None else before
        self.on_fault: Callable[[PluginError], None] | None = None
        """Told of a plugin's error before it is raised: the host adds the hint it can give."""
        self.convert: Callable[[Arrays], dict[str, Array]] | None = None
        """Makes arrays that may fit of inputs that are not known to."""
        self._fitting: set[Hashable] = set()
        """Names, types, dtypes and shapes of inputs that were checked and fit."""
        self._outputs = {spec.name for spec in self.signature.outputs}
        closers = [handle.close] if before is None else [before.close, handle.close]
        self._closed = False
        self._finalizer = weakref.finalize(self, _call_all, closers)

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Compute ``outputs`` (all of them by default). What is returned belongs to the caller.

        Raises `UserError` when inputs do not fit the signature, `PluginError` when the plugin
        fails, dies, or takes longer than the host's limit.
        """
        if self._closed:
            raise self._is_closed()
        try:
            kind = tuple([(name, type(a), a.dtype, a.shape) for name, a in inputs.items()])
            known = kind in self._fitting
        except (AttributeError, TypeError):  # not arrays: for `convert`
            known = False
        if not known:
            inputs = self._fit(inputs)
        if outputs is not None:
            outputs = self._wanted(outputs)
        try:
            return self._call(inputs, outputs)
        except PluginError as error:
            self._tell(error)
            raise

    def time_calls(self, inputs: Sequence[Arrays], calls: int) -> list[int]:
        """Nanoseconds of each of ``calls`` calls, cycling through ``inputs``.

        The loop runs in the plugin's process: what is timed is the plugin's runner alone.
        """
        if self._closed:
            raise self._is_closed()
        if not inputs:
            raise UserError("there are no inputs to time", hint="Give at least one.")
        for arrays in inputs:
            self.signature.bind(arrays)
        try:
            return self._handle.time_calls(inputs, calls)
        except PluginError as error:
            self._tell(error)
            raise

    def peak_rss(self) -> int:
        """Most bytes that were ever resident in the process that holds the model."""
        if self._closed:
            raise self._is_closed()
        return self._handle.peak_rss()

    def cancel(self) -> None:
        """Ask calls in flight to stop, where that is possible."""
        self._handle.cancel()

    def close(self) -> None:
        """Free the model and its process. Doing so again does nothing."""
        self._closed = True
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _fit(self, inputs: Arrays) -> Arrays:
        """Arrays that fit; their like is not looked at again. Raises `UserError`."""
        if self.convert is not None:
            inputs = self.convert(inputs)
        self.signature.bind(inputs)
        if len(self._fitting) >= MAX_KNOWN:
            self._fitting.clear()
        self._fitting.add(tuple([(n, type(a), a.dtype, a.shape) for n, a in inputs.items()]))
        return inputs

    def _wanted(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Names of outputs, each once. Raises `UserError`."""
        given = ", ".join(spec.name for spec in self.signature.outputs)
        if isinstance(outputs, str):
            raise UserError(
                f"outputs is the string {outputs!r}, expected a list of names",
                hint=f"Put it into a list: [{outputs!r}].",
            )
        wanted = tuple(outputs)
        for place, name in enumerate(wanted):
            if not isinstance(name, str) or name not in self._outputs:
                raise UserError(f"there is no output {name!r}", hint=f"This model gives {given}.")
            if name in wanted[:place]:
                raise UserError(
                    f"the output {name!r} is asked for twice", hint="Name each output once."
                )
        return wanted

    def _tell(self, error: PluginError) -> None:
        if self.on_fault is not None:
            self.on_fault(error)

    @staticmethod
    def _is_closed() -> UserError:
        return UserError("the model is closed", hint="Load it again to call it.")


def _call_all(closers: list[Callable[[], None]]) -> None:
    for close in closers:
        close()
