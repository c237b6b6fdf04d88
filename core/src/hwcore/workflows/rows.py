"""How many rows a study judges on, and whether that is enough for what it should prove."""

from __future__ import annotations

from pathlib import Path

from hwcore.contract import Artifact, Dataset, UserError
from hwcore.evaluate import rows_needed

UNLABELLED_ROWS = 500
"""Agreement needs fewer rows than accuracy, and whole sequences of outputs are kept for it."""


def check_rows(path: Path, data: Dataset, wanted: int | None) -> None:
    """Refuse to judge on more rows than the data has for it. Raises `UserError`."""
    have = data.count("test")
    if wanted is not None and wanted > have:
        raise UserError(
            f"{path} has {have} rows to judge on, but --rows asks for {wanted}",
            hint="Ask for fewer, or give more data: some rows are for tuning and calibration.",
        )


def judged_rows(data: Dataset, wanted: int | None = None) -> int:
    """How many rows of a dataset are judged on: those wanted, or by default."""
    have = data.count("test")
    return wanted or (have if data.info.metric is not None else min(have, UNLABELLED_ROWS))


def too_few_rows(
    data: Dataset | None, source: Artifact, wanted: int | None, max_drop: float
) -> str | None:
    """Why even a plan that changes no answer could not be proven accurate enough, or ``None``.

    To be told before the work is done. What is judged by a mean of cosines, or by made-up
    inputs, is left to the verdict.
    """
    if data is None or source.task == "feature-extraction" or max_drop <= 0:
        return None
    judged, needed = judged_rows(data, wanted), rows_needed(max_drop)
    if judged >= needed:
        return None
    return (
        f"no plan can be proven to stay within --max-drop {max_drop:g} on {judged} rows: it "
        f"takes {needed} at least, and more where answers change; --rows says how many to use"
    )
