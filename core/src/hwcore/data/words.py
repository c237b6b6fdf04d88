"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``: nouns with a plural in s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
