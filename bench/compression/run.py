"""``make bench-compression``: what compression costs and gives, against its goals."""

from __future__ import annotations

import sys

from bench.compression import language, memory, outliers, speed
from bench.compression.classifier import HOME, classifier
from bench.compression.judging import quality
from bench.compression.recovered import RECOVERIES, recovered, training_seconds
from bench.rows import RESULTS, Row, show, write_results
from hwcore.artifacts import read_artifact
from hwcore.host import available_cores

COMMAND = "make bench-compression"
POINTS = {0.8: 1.0, 0.9: 2.5}
"""What a model with that share of zeros may lose."""
MINUTES = 45


def main() -> None:
    """Measure one row after the other: nothing else may use the cores meanwhile."""
    rows = speed.rows()
    rows += _accuracy()
    rows += outliers.rows()
    rows += language.rows()
    rows += memory.rows(HOME / "bert-base")
    rows += _recovered()
    write_results(rows)
    show(rows)
    print(RESULTS)
    sys.exit(0 if all(row.ok for row in rows) else 1)


def _accuracy() -> list[Row]:
    model = classifier()
    lost = quality(HOME / "model-int8-compiled", model)
    return [
        Row(
            "fine-tuned MiniLM, float32, held-out reviews", "compression", lost.reference,
            "accuracy", ">= 0.86", COMMAND, f"{lost.rows} reviews, 128 tokens",
        ),
        Row(
            "intel int8 static, compiled: points lost, bound", "compression",
            100 * lost.drop_bound, "points", "<= 1", COMMAND, f"{100 * lost.drop:.2f} points",
        ),
    ]  # fmt: skip


def _recovered() -> list[Row]:
    made = []
    for share in RECOVERIES:
        model = recovered(share)
        found = read_artifact(model).traits.sparsity
        lost = quality(model, classifier())
        made.append(
            Row(
                f"MiniLM, {share:.0%} zeros in 1×4 blocks and int8, recovered: points lost",
                "compression", 100 * lost.drop, "points", f"<= {POINTS[share]}", COMMAND,
                f"bound {100 * lost.drop_bound:.2f}; accuracy {lost.value:.4f}; zeros measured: "
                f"{0 if found is None else found.share:.1%}",
            )
        )  # fmt: skip
        seconds = training_seconds(share)
        if seconds is None:
            print(f"how long {share:.0%} zeros took to train is not known: make clean, and again")
        else:
            made.append(
                Row(
                    f"the same: pruning, training and int8 together, {available_cores()} cores",
                    "compression", seconds / 60, "minutes", f"<= {MINUTES}", COMMAND,
                )
            )  # fmt: skip
    return made


if __name__ == "__main__":
    main()
