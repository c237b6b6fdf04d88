"""Pruned *and* quantized models that were trained to answer as the original does.

``make recovered-80`` makes one; each step is kept in the cache, so that the second time nothing is
trained.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from bench.compression.classifier import COLUMNS, HOME, classifier, hwcore, splits

PATTERN = "1x4"


class Recovery(NamedTuple):
    """How long each of the two steps learns."""

    prune_steps: int
    qat_steps: int


RECOVERIES = {0.8: Recovery(1500, 400), 0.9: Recovery(1500, 400)}


def recovered(share: float) -> Path:
    """An int8 program with ``share`` of its encoder's weights zero, in blocks of 1×4."""
    model, recovery = classifier(), RECOVERIES[share]
    name = f"{share:.0%}".rstrip("%")
    sparse, small = HOME / f"sparse-{name}", HOME / f"sparse-{name}-int8"
    data = ("--recover", "--data", str(splits()[0]), *COLUMNS)
    _again(sparse)
    hwcore(
        "sparsify", str(model), *data, "-o", f"pattern={PATTERN}", "-o", f"share={share}",
        "-o", "batch_size=32", "-o", "learning_rate=4e-4",
        "-o", f"max_steps={recovery.prune_steps}", "--out", str(sparse),
    )  # fmt: skip
    _again(small)
    hwcore(
        "quantize", str(sparse), *data, "--reference", str(model),
        "-o", "batch_size=32", "-o", f"max_steps={recovery.qat_steps}", "--out", str(small),
    )  # fmt: skip
    return small


def _again(folder: Path) -> None:
    """Results are made of the cache's; a folder that is there would be refused."""
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    print(recovered(float(sys.argv[1])))
