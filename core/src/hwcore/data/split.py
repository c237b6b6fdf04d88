"""Which rows go into which role: drawn at random, no content in two roles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwcore.contract import Role, UserError
from hwcore.data.material import Material
from hwcore.data.words import counted

DEFAULT_ROWS: dict[Role, int] = {"test": 2000, "tune": 500, "calibration": 128}
"""Most rows of each role when the user asks for none in particular."""

ORDER: tuple[Role, ...] = ("test", "tune", "calibration", "train")
"""Roles are filled in this order, so that test rows stay when other counts change."""

LEAST = 5
CHUNK = 256


def choose(
    material: Material,
    rows: Mapping[Role, int] | None,
    seed: int,
    *,
    test_rows: int | None = None,
    train: bool = False,
) -> dict[Role, list[int]]:
    """Draw the rows of each role.

    By default there are as many as `DEFAULT_ROWS`, ``test_rows`` of the role test where given,
    or of a smaller file a fifth for tune, a fifth for calibration and the rest for test. Without
    labels there is no tune role, which has no use then. With ``train``, there is one, to watch the
    training on, and all rows that are left are for train. Where they are fewer than the others
    together, no other role gets more than a fifth. Raises `UserError` if there are too few distinct
    rows.
    """
    labelled = material.labels is not None
    default = DEFAULT_ROWS if test_rows is None else {**DEFAULT_ROWS, "test": test_rows}
    wanted = default if rows is None else _checked(rows)
    wanted = {role: wanted[role] for role in ORDER if wanted.get(role)}
    learns = train and rows is None
    if rows is None and not labelled and not learns:
        del wanted["tune"]
    drawn = _distinct(material, len(material) if learns else sum(wanted.values()), seed)
    if rows is None:
        wanted = _shrink(material, wanted, len(drawn), train=learns)
    elif len(drawn) < sum(wanted.values()):
        asked = ", ".join(f"{role} {count}" for role, count in wanted.items())
        raise UserError(
            f"{material.path} has {counted(len(drawn), 'distinct row')} ({len(material)} in all), "
            f"but {sum(wanted.values())} are asked for: {asked}",
            hint="Ask for fewer rows, or give more data.",
        )
    chosen: dict[Role, list[int]] = {}
    for role, count in wanted.items():
        chosen[role], drawn = drawn[:count], drawn[count:]
    return chosen


def _checked(rows: Mapping[Role, int]) -> Mapping[Role, int]:
    for role, count in rows.items():
        if role not in ORDER or count < 0:
            raise UserError(
                f"{count} rows for the role {role!r} cannot be",
                hint=f"Roles are {', '.join(ORDER)}, with 0 rows or more.",
            )
    if not any(rows.values()):
        raise UserError("no rows are asked for", hint="Ask for some test rows at least.")
    return rows


def _distinct(material: Material, most: int, seed: int) -> list[int]:
    """At most ``most`` rows in random order, each unlike all others."""
    order = np.random.default_rng(seed).permutation(len(material)).tolist()
    seen: set[bytes] = set()
    drawn: list[int] = []
    for begin in range(0, len(order), CHUNK):
        chunk = order[begin : begin + CHUNK]
        for row, key in zip(chunk, material.keys(chunk), strict=True):
            if key not in seen and len(drawn) < most:
                seen.add(key)
                drawn.append(row)
        if len(drawn) == most:
            break
    return drawn


def _shrink(
    material: Material, wanted: dict[Role, int], found: int, *, train: bool
) -> dict[Role, int]:
    if found < LEAST:
        raise UserError(
            f"{material.path} has {counted(found, 'distinct row')}, too few to judge a model by",
            hint=f"Give at least {LEAST}, better some hundreds.",
        )
    if train and found >= 2 * sum(wanted.values()):
        # As many as without: what is judged later on the same file was never trained on.
        return wanted | {"train": found - sum(wanted.values())}
    counts = {role: min(count, found // LEAST) for role, count in wanted.items()}
    if train:
        return counts | {"train": found - sum(counts.values())}
    rest = found - sum(count for role, count in counts.items() if role != "test")
    return counts | {"test": min(wanted["test"], rest)}
