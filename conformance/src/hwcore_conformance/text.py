"""Text that others wrote, made safe to show."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

LONGEST = 4000
"""Characters of a text that are kept."""

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Categories of Unicode that move a cursor, hide or reorder text, or cannot be written as UTF-8."""


def clean(text: str) -> str:
    """The text with what could act on a terminal or a page shown as an escape, and cut.

    Cleaning what is clean gives it back: a report reads as it was written.
    """
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    if text.isprintable():
        return text
    shown = "".join(map(_shown, text))
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


_BLANK = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters, to Unicode, that show nothing: fillers of Hangul."""


def says_something(text: str) -> bool:
    """True when a letter or digit is in it; spaces, of whatever width, say nothing."""
    return any(character.isalnum() and character not in _BLANK for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HARMFUL:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str, width: int = 300) -> str:
    """The text on one line, cut to ``width`` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def named(clause: str, capability: str) -> str:
    """What a check is called: the clause's number, and the capability if it is about one."""
    return f"{clause} {capability}".rstrip()


def some(names: list[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def many(count: int, noun: str) -> str:
    """A number of things: ``1 check``, ``2 checks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def near(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the known word spelt most alike; nothing where none is."""
    words = list(known)
    for spelt in (word, word.upper(), word.lower()):
        if found := difflib.get_close_matches(spelt, words, n=1, cutoff=0.5):
            return f", did you mean {found[0]!r}?"
    return ""
