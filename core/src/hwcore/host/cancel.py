"""A wish to stop, from one thread to another."""

from __future__ import annotations

import threading
from collections.abc import Callable


class CancelToken:
    """Set once, never unset. Listeners run in the thread that sets it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = False
        self._listeners: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        """True once the stop was asked for."""
        return self._set

    def set(self) -> None:
        """Ask for the stop. Setting it again does nothing."""
        with self._lock:
            if self._set:
                return
            self._set = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` once the token is set: now, if it is already."""
        with self._lock:
            if not self._set:
                self._listeners.append(listener)
                return
        listener()
