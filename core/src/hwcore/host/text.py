"""Wording that several messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MIN_FORM = 3
"""Letters of which a word must have as many to be taken for a form of another."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: spelt alike, or a longer or shorter form of it."""
    words = list(known)
    alike = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    forms = [other for other in words if min(len(word), len(other)) >= _MIN_FORM]
    alike += [other for other in forms if word.lower() in other or other in word.lower()]
    return alike[0] if alike else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest known word, or nothing when none is near."""
    near = nearest(word, known)
    return f", did you mean {near!r}?" if near else ""


def listing(words: Iterable[str], *, nothing: str = "none") -> str:
    """Words separated by commas, sorted."""
    return ", ".join(sorted(words)) or nothing


MAX_TEXT = 500
"""Characters of a plugin's own words that a message repeats."""


def shortened(text: str) -> str:
    """At most `MAX_TEXT` characters of a text, its beginning."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def first_line(text: str, width: int = 300) -> str:
    """The first line that says something, cut to ``width`` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= width else line[: width - 1] + "…"
