"""A file that torch writes archives to."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Self


class Sink(io.RawIOBase):
    """Passes bytes on to a file, and raises what went wrong when it is left, not before.

    torch's writer of archives ends the process where a write fails, as on a full disk: it goes on
    to write the archive's end from a destructor.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raises `OSError` where a write failed, also of the last bytes."""
        try:
            self._file.close()
        except OSError as failed:
            self._error = self._error or failed
        if self._error is not None:
            raise self._error

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        """torch asks, and goes back to the beginning when it is done."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)
