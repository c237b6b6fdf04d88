"""An answer that one thread waits for and another brings."""

from __future__ import annotations

import threading
import time

from hwcore.host.worker.wire import Message


class Reply:
    """Arrives once, or not before its deadline, which may move closer while one waits."""

    def __init__(self, deadline: float | None) -> None:
        """``deadline`` as `time.monotonic` counts; ``None`` for as long as it takes."""
        self._changed = threading.Condition()
        self._deadline = deadline
        self._message: Message | None = None

    def deliver(self, message: Message) -> None:
        """Bring the answer. Only the first one counts."""
        with self._changed:
            self._message = self._message or message
            self._changed.notify_all()

    def expect_within(self, seconds: float) -> None:
        """Move the deadline to ``seconds`` from now, unless it is sooner."""
        with self._changed:
            deadline = time.monotonic() + seconds
            if self._deadline is None or deadline < self._deadline:
                self._deadline = deadline
            self._changed.notify_all()

    def wait(self) -> Message | None:
        """The answer; ``None`` when the deadline has passed."""
        with self._changed:
            while self._message is None:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return self._message
