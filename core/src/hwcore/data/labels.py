"""The user's labels, as names or ids, become the model's class ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hwcore.contract import UserError


class LabelMap:
    """A model's class names, matched exactly or else without regard to case.

    A whole number is taken as an id, unless some class has a number for its name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        folded = [_fold(name) for name in names]
        self._names = tuple(names)
        self._exact = {name: index for index, name in enumerate(names)}
        self._folded = {name: i for i, name in enumerate(folded) if folded.count(name) == 1}
        self._ids = (
            {} if any(map(str.isdecimal, folded)) else {str(i): i for i in range(len(names))}
        )

    def id_of(self, value: object) -> int | None:
        """The class id of a label; ``None`` if the model does not know it."""
        text = str(value)
        if text in self._exact:
            return self._exact[text]
        folded = _fold(text)
        # Other tools write the ids of a column with gaps as 0.0, 1.0 …
        return self._folded.get(folded, self._ids.get(folded.removesuffix(".0")))

    def ids(self, path: Path, values: Iterable[tuple[int, object]]) -> list[int]:
        """Class ids of labels that come with their line. Raises `UserError` that names it."""
        result = []
        for line, value in values:
            if value is None or not str(value).strip():
                raise UserError(
                    f"{path}, line {line}: the label is empty",
                    hint="Fill it in, or delete the row.",
                )
            found = self.id_of(value)
            if found is None:
                raise self.unknown(f"{path}, line {line}", value)
            result.append(found)
        return result

    def unknown(self, where: str, value: object) -> UserError:
        """The error for a label that the model does not know."""
        ids = f", or 0 to {len(self._names) - 1}" if self._ids else ""
        return UserError(
            f"{where}: the model does not know the label {str(value)!r}",
            hint=f"It knows {', '.join(self._names)}{ids}: id2label in its config.json.",
        )


def first_difference(names: Sequence[str], others: Sequence[str]) -> int | None:
    """The first class id that two lists of one length name differently, whatever the case."""
    pairs = enumerate(zip(names, others, strict=True))
    return next((id for id, (one, other) in pairs if _fold(one) != _fold(other)), None)


def _fold(name: str) -> str:
    return name.strip().casefold()
