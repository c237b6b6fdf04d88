"""Pruned *and* quantized models that were trained to answer as the original does.

``make recovered-80`` makes one; each step is kept in the cache, so that the second time nothing is
trained. Zeros come at one stroke, by SparseGPT, and then the model learns what it can do with the
weights that are left: from there it gets further in the same time than by a schedule that begins
with all weights. It learns from the beginnings of texts first, which are twice as many steps in the
same time, then from what it will be given. Last come ranges for int8.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.compression.classifier import HOME, classifier, hwcore, training_data
from hwcore.artifacts import read_artifact

PATTERN = "1x4"
CACHED_SECONDS = 120.0
"""What comes from the cache takes less, and no training as little."""


class Recovery(NamedTuple):
    """Steps of training, on the beginnings of texts and on texts as they are judged."""

    short: int
    whole: int


RECOVERIES = {0.8: Recovery(2900, 1200), 0.9: Recovery(2900, 1200)}
SHORT = 64
"""Tokens of a text's beginning."""
LEARNING = (
    "-o", "batch_size=16", "-o", "labels=0.5", "-o", "learning_rate=6e-4",
    "-o", "freeze=[\"*.embeddings\"]", "-o", "evaluations=2", "-o", "patience=null",
)  # fmt: skip
STEADY = ("-o", 'trainer={"lr_scheduler_type": "constant_with_warmup"}')
"""The rate falls in the second training."""


def recovered(share: float) -> Path:
    """A compiled int8 program with ``share`` of its encoder's weights zero, in blocks of 1×4."""
    model, recovery = classifier(), RECOVERIES[share]
    name = f"{share:.0%}".rstrip("%")
    pruned, begun, sparse, small, compiled = (
        HOME / f"{stage}-{name}" for stage in ("pruned", "begun", "sparse", "int8", "compiled")
    )
    data, short = training_data(), training_data(SHORT)
    learn = ("--recover", "--reference", str(model), *LEARNING)
    began = time.monotonic()
    for folder, words in (
        (
            pruned,
            ("sparsify", str(model), "--plugin", "torch", "--capability", "sparsegpt", *data,
             "-o", f"pattern={PATTERN}", "-o", f"share={share}", "-o", "distribution=sensitivity"),
        ),
        (
            begun,
            ("sparsify", str(pruned), *learn, *short, *STEADY,
             "-o", f"max_steps={recovery.short}"),
        ),
        (
            sparse,
            ("sparsify", str(begun), *learn, *data, "-o", f"max_steps={recovery.whole}"),
        ),
        (
            small,
            ("quantize", str(sparse), "--plugin", "intel", "--capability", "int8-static", *data),
        ),
        (compiled, ("compile", str(small), "--plugin", "torch")),
    ):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)  # a folder that is there would be refused
        hwcore(*words, "--out", str(folder))
    seconds = time.monotonic() - began
    if seconds > CACHED_SECONDS:
        _times(name).write_text(json.dumps({_digest(small): seconds}), encoding="utf-8")
    return compiled


def training_seconds(share: float) -> float | None:
    """How long `recovered` took when it was not in the cache; ``None`` where nobody measured."""
    name = f"{share:.0%}".rstrip("%")
    if not _times(name).exists():
        return None
    known: dict[str, float] = json.loads(_times(name).read_text("utf-8"))
    return known.get(_digest(HOME / f"int8-{name}"))


def _times(name: str) -> Path:
    return HOME / f"recovered-{name}.json"


def _digest(folder: Path) -> str:
    return read_artifact(folder).digest


if __name__ == "__main__":
    share = float(sys.argv[1])
    print(recovered(share))
    print(f"{training_seconds(share) or 0:.0f} s when it was trained")
