"""One mapping of a configuration: what stands in it, and where it stands."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hwcore.contract import UserError

Node = Mapping[str, Any]

MEND: Final = "Mend the value, or leave it out."
LONGEST: Final = 60
"""Characters of a value that a message repeats."""


class Section:
    """A mapping of names to settings, and the path to it in the file.

    Where several values stand to be tried, as version 2 has it, the first counts. Whatever is of
    another kind than it is asked for raises `UserError`, which names the key.
    """

    def __init__(self, node: Any, path: str = "") -> None:
        given = {} if node is None else node
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise stop(path, f"{shown(node)} is no mapping of names", MEND)
        self.node: Node = given
        self.path = path

    def __bool__(self) -> bool:
        return bool(self.node)

    def __iter__(self) -> Iterator[str]:
        return iter(self.node)

    def where(self, key: str) -> str:
        """The path to a key."""
        return f"{self.path}.{key}" if self.path else key

    def child(self, key: str) -> Section:
        """A mapping within this one; empty where there is none."""
        return Section(self.node.get(key), self.where(key))

    def value(self, key: str) -> Any:
        """A value of any kind, or None."""
        found = self.node.get(key)
        if isinstance(found, list | tuple):
            return found[0] if found else None
        return found.split(",")[0].strip() if isinstance(found, str) else found

    def words(self, key: str) -> list[str]:
        """Every word of a list, or of a text with commas or spaces between them."""
        found = self.node.get(key)
        words: list[str] = []
        for item in found if isinstance(found, list | tuple) else [found]:
            if item is not None and not isinstance(item, str):
                raise self._wrong(key, "no word")
            words += (item or "").replace(",", " ").split()
        return words

    def word(self, key: str) -> str | None:
        """A word, or None."""
        return next(iter(self.words(key)), None)

    def flag(self, key: str) -> bool | None:
        """True, false or None."""
        found = self.node.get(key)
        if found is None or isinstance(found, bool):
            return found
        raise self._wrong(key, "neither true nor false")

    def number(self, key: str) -> float | None:
        """A number, however it is written, or None; 2 % is 0.02."""
        found = self.value(key)
        if found is None:
            return None
        try:
            if isinstance(found, bool) or not isinstance(found, int | float | str):
                raise TypeError
            parts = str(found).replace("%", " % ").split()
            number = float(parts[0]) / (100 if parts[1:2] == ["%"] else 1)
        except (TypeError, ValueError, LookupError):
            raise self._wrong(key, "no number") from None
        return int(number) if number.is_integer() else number

    def _wrong(self, key: str, what: str) -> UserError:
        return stop(self.where(key), f"{shown(self.node[key])} is {what}", MEND)


def stop(key: str, why: str, hint: str) -> UserError:
    """The error of a key that the rest cannot go on without."""
    return UserError(f"{key} in the configuration of Neural Compressor: {why}", hint=hint)


class _Brief(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2

    def repr_int(self, x: int, level: int) -> str:
        # Python writes none of more than 4300 digits as a decimal number.
        return hex(x) if x.bit_length() > 64 else str(x)


def shown(value: Any) -> str:
    """A value for a message, in one short line: files may have long ones, and deep."""
    text = value if isinstance(value, str) else _Brief().repr(value)
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
