"""SparseGPT and Wanda against magnitude: half of a language model's weights, at one stroke."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from bench.compression import stories
from bench.compression.classifier import HOME, python
from bench.rows import Row
from core_plugin_torch.sparsity.patterns import parse
from core_plugin_torch.sparsity.prune import Request, prune

COMMAND = "make bench-compression"
SHARE = 0.5
STORIES = 128
"""Calibration texts, as in the papers; and as many others to judge on."""
METHODS = ("magnitude", "wanda", "sparsegpt")


def rows() -> list[Row]:
    """Perplexities, each over magnitude's."""
    kept = HOME / "perplexities.json"
    if not kept.exists():
        kept.write_text(python("-m", "bench.compression.language"), encoding="utf-8")
    found = json.loads(kept.read_text("utf-8"))
    note = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    return [
        Row(
            f"stories15M, 50 % zeros at one stroke: perplexity with {name} over magnitude's",
            "compression", found[name] / found["magnitude"], "×", "<= 0.999", COMMAND, note,
        )
        for name in METHODS[1:]
    ]  # fmt: skip


def main() -> None:
    """Prune three times; print the perplexity of the model and of each."""
    calibration = stories.write(STORIES, stories.LENGTH, seed=0)
    held_out = stories.write(STORIES, stories.LENGTH, seed=1)
    found = {"none": stories.perplexity(stories.load(), held_out)}
    for method in METHODS:
        model = stories.load()
        with torch.no_grad():
            prune(
                model,
                Request(method, parse("unstructured"), SHARE),
                forward=lambda row, model=model: model(input_ids=row),
                rows=list(calibration.split(1)),
            )
        found[method] = stories.perplexity(model, held_out)
        print(method, found[method], file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    Path(HOME).mkdir(parents=True, exist_ok=True)
    main()
