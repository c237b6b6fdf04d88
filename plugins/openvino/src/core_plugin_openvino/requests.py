"""Calling a compiled model: one infer request for each call that is in flight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core_plugin_openvino import libraries
from hwcore.contract import Array, UserError


class Requests:
    """A compiled model and its idle requests: as many as there were calls at one time.

    Safe to use from several threads. ``memory`` is what the model reads weights from, and is
    kept for as long as the model and any call on it.
    """

    def __init__(self, compiled: Any, memory: object = None) -> None:
        self._compiled = compiled
        self._tensor = libraries.openvino().Tensor
        self._idle: list[Any] = []
        self._memory = memory  # the last attribute, and so the last to be freed
        self.inputs = tuple(port.get_any_name() for port in compiled.inputs)
        self.outputs = {port.get_any_name(): i for i, port in enumerate(compiled.outputs)}

    def infer(self, inputs: Sequence[Array], outputs: Iterable[str]) -> dict[str, Array]:
        """Run one request on arrays in the order of ``inputs``, see `shareable`.

        They are read where they lie. Outputs are copies: the request's own memory is written
        again by its next call. Raises `UserError` once closed.
        """
        memory = self._memory  # noqa: F841 - outlives this call
        request = self._take()
        try:
            for index, array in enumerate(inputs):
                request.set_input_tensor(index, self._tensor(array, shared_memory=True))
            request.infer(share_outputs=True)
            return {
                name: request.get_output_tensor(self.outputs[name]).data.copy() for name in outputs
            }
        finally:
            self._idle.append(request)
            if self._compiled is None:  # closed meanwhile
                self._idle.clear()

    def close(self) -> None:
        """Free the model, once no call is in flight any more."""
        self._compiled = None
        self._idle.clear()
        self._memory = None

    def _take(self) -> Any:
        try:
            request = self._idle.pop()  # atomic: no two threads are given the same one
        except IndexError:
            request = None
        compiled = self._compiled
        # With a request in hand, too: the call that gave it back may be the last with the memory.
        if compiled is None:
            raise UserError("this model is closed", hint="Load it again.")
        return compiled.create_infer_request() if request is None else request


def shareable(arrays: list[Array]) -> list[Array]:
    """The arrays; a copy where memory cannot be shared, for it has gaps or is read-only."""
    return [array if array.flags.carray else np.array(array, order="C") for array in arrays]
