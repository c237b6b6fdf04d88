"""A loaded model: named numpy arrays in, named numpy arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hwcore.contract.signature import Signature

if TYPE_CHECKING:  # numpy takes 50 ms to import; the contract needs its name only
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any

Arrays = Mapping[str, Array]


@runtime_checkable
class Runner(Protocol):
    """What the ``run`` hook gives. Safe to call from several threads at once.

    The host checks inputs against the signature before a call, so a runner need not. One that is
    not for the CPU also has a property ``device``: the id of the device that it runs on, one of
    those that its plugin's ``devices`` gives.
    """

    @property
    def signature(self) -> Signature: ...

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Compute ``outputs`` (all of them by default). What is returned belongs to the caller."""
        ...

    def close(self) -> None:
        """Free the model. Calling it again does nothing."""
        ...


@runtime_checkable
class Session(Protocol):
    """Stateful decoding: owns the KV cache of one batch of sequences."""

    def prefill(self, input_ids: Array, attention_mask: Array, *, last_only: bool = True) -> Array:
        """Feed prompts, int64 ``[batch, sequence]``; gives float32 logits.

        Their shape is ``[batch, 1, vocabulary]``, or the whole sequence's without ``last_only``.
        """
        ...

    def step(self, input_ids: Array) -> Array:
        """Feed one token each, int64 ``[batch, 1]``; gives logits ``[batch, 1, vocabulary]``."""
        ...

    def reorder(self, rows: Array) -> None:
        """Row ``i`` continues from what was row ``rows[i]``, int64 ``[batch]``: beam search."""
        ...

    def reset(self) -> None:
        """Forget all tokens, keep the memory."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class StatefulRunner(Runner, Protocol):
    """A runner of a causal language model."""

    def session(self, batch: int, max_tokens: int) -> Session:
        """A new cache for ``batch`` sequences of at most ``max_tokens`` tokens each."""
        ...
