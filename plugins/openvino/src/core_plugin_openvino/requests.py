"""Calling a compiled model: one infer request for each call that is in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from core_plugin_openvino import libraries, ports
from hwcore.contract import Array, Signature, UserError


class Requests:
    """A compiled model and its idle requests: as many as there were calls at one time.

    Safe to use from several threads. ``memory`` is what the model reads weights from, and is
    kept for as long as the model and any call on it.
    """

    def __init__(self, compiled: Any, signature: Signature, memory: object = None) -> None:
        inputs = ports.places("inputs", compiled.inputs, signature.inputs)
        self.inputs = tuple(sorted(inputs, key=inputs.__getitem__))
        self.outputs = ports.places("outputs", compiled.outputs, signature.outputs)
        self._tensors = [_sharing(port) for port in compiled.inputs]
        self._views = _views({name: compiled.outputs[i] for name, i in self.outputs.items()})
        self._compiled = compiled
        self._idle: list[Any] = []
        self._memory = memory  # the last attribute, and so the last to be freed

    def infer(self, inputs: Sequence[Array], outputs: Iterable[str]) -> dict[str, Array]:
        """Run one request on arrays in the order of ``inputs``, see `shareable`.

        They are read where they lie. Outputs are copies: the request's own memory is written
        again by its next call. Raises `UserError` once closed.
        """
        memory = self._memory  # noqa: F841 - outlives this call
        request = self._take()
        try:
            for index, tensor in enumerate(self._tensors):
                request.set_input_tensor(index, tensor(inputs[index]))
            request.infer(share_outputs=True)
            found = {
                name: request.get_output_tensor(self.outputs[name]).data.copy() for name in outputs
            }
        finally:
            self._idle.append(request)
            if self._compiled is None:  # closed meanwhile
                self._idle.clear()
        if self._views:
            for name in self._views.keys() & found.keys():
                found[name] = found[name].view(self._views[name])
        return found

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


def _sharing(port: Any) -> Callable[[Array], Any]:
    """Makes the tensor of an input from an array, whose memory it shares."""
    tensor = libraries.openvino().Tensor
    if not ports.is_disguised(port):
        return partial(tensor, shared_memory=True)
    kind = port.get_element_type()
    carrier = kind.to_dtype()
    return lambda array: tensor(array.view(carrier), array.shape, kind)


def _views(outputs: Mapping[str, Any]) -> dict[str, np.dtype[Any]]:
    """The dtypes of outputs that the engine gives under another one."""
    disguised = {name: port for name, port in outputs.items() if ports.is_disguised(port)}
    if not disguised:
        return {}
    from hwcore.data import numpy_dtype  # tens of milliseconds, and most models have none

    return {name: numpy_dtype(ports.dtype(port)) for name, port in disguised.items()}
