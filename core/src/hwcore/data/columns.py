"""Which columns of a table hold the texts and the labels."""

from __future__ import annotations

from hwcore.contract import UserError
from hwcore.data.tables import Table

TEXT_NAMES = (
    "text",
    "review",
    "sentence",
    "content",
    "comment",
    "body",
    "message",
    "document",
    "passage",
    "question",
    "query",
    "tweet",
    "utterance",
)
LABEL_NAMES = ("label", "labels", "sentiment", "target", "class", "category", "intent", "topic")

MOST_NAMES = 12
MOST_CHARACTERS = 40
"""Of a column's name in a message."""


def find_text(table: Table, named: str | None) -> str:
    """The column with the texts: the one named, else the one with a usual name, or the only one.

    Raises `UserError` that lists the columns if none or several fit.
    """
    found = _find(table, "text", named, TEXT_NAMES)
    if found is None and len(table.names) == 1:
        return table.names[0]
    if found is None:
        raise UserError(
            f"{table.path} has no column with a usual name for texts, only {_listed(table)}",
            hint="Name the column with --text-column."
            + (
                " If this is data, put a line above it that names the columns."
                if table.headed
                else ""
            ),
        )
    return found


def find_label(table: Table, named: str | None) -> str | None:
    """The column with the labels, likewise; ``None`` when there is none."""
    return _find(table, "label", named, LABEL_NAMES)


def _find(table: Table, what: str, named: str | None, usual: tuple[str, ...]) -> str | None:
    if named is not None:
        if named not in table.names:
            raise UserError(
                f"{table.path} has no column {named!r}",
                hint=f"Its columns are {_listed(table)}."
                + (" The first line must name them." if table.headed else ""),
            )
        return named
    found = [name for name in table.names if name.lower() in usual]
    if len(found) > 1:
        raise UserError(
            f"{table.path} has several columns that may be the {what}: {', '.join(found)}",
            hint=f"Name the column with --{what}-column. All columns: {_listed(table)}.",
        )
    return found[0] if found else None


def _listed(table: Table) -> str:
    """The names, cut short: without a header they are data, and as long as that."""
    names = [_short(" ".join(name.split())) for name in table.names[:MOST_NAMES]]
    return ", ".join(names) + (" …" if len(table.names) > MOST_NAMES else "")


def _short(name: str) -> str:
    return name if len(name) <= MOST_CHARACTERS else f"{name[: MOST_CHARACTERS - 2].rstrip()} …"
