"""Which objects count as runners and sessions."""

from __future__ import annotations

from typing import Any

import parts

from hwcore.contract import Runner, Session, StatefulRunner


class Engine:
    signature = parts.text_signature()

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        return {}

    def close(self) -> None: ...


class Decoder(Engine):
    def session(self, batch: int, max_tokens: int) -> Any: ...


class Cache:
    def prefill(self, input_ids: Any, attention_mask: Any, *, last_only: bool = True) -> Any: ...
    def step(self, input_ids: Any) -> Any: ...
    def reorder(self, rows: Any) -> None: ...
    def reset(self) -> None: ...
    def close(self) -> None: ...


def test_a_runner_is_known_by_what_it_can_do() -> None:
    assert isinstance(Engine(), Runner)
    assert not isinstance(Engine(), StatefulRunner)
    assert isinstance(Decoder(), StatefulRunner)
    assert isinstance(Cache(), Session)
    assert not isinstance(Cache(), Runner)
