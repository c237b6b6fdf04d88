"""Wording that several messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the nearest known word, or nothing when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


def listing(words: Iterable[str], *, nothing: str = "none") -> str:
    """Words separated by commas, sorted."""
    return ", ".join(sorted(words)) or nothing


def first_line(text: str, width: int = 300) -> str:
    """The first line that says something, cut to ``width`` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= width else line[: width - 1] + "…"
