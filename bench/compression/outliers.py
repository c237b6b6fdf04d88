"""A classifier that computes the same with some channels 100 times the others: what int8 hates."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.compression.classifier import HOME, classifier, hwcore, python, training_data
from bench.compression.judging import quality
from bench.rows import Row

COMMAND = "make bench-compression"
EVERY, TIMES = 32, 100
TRIALS = 10


def rows() -> list[Row]:
    """What tuning loses on it, and what int8 as it is would have lost."""
    model, tuned, plain = (HOME / f"outliers{end}" for end in ("", "-tuned", "-int8"))
    shutil.rmtree(model, ignore_errors=True)
    python("-m", "bench.compression.outliers", str(classifier()), str(model))
    step = ("quantize", str(model), "--plugin", "intel", *training_data())
    for folder, capability, options in (
        (tuned, "int8-tuned", ("-o", f"max_trials={TRIALS}")),
        (plain, "int8-static", ()),
    ):
        shutil.rmtree(folder, ignore_errors=True)
        hwcore(*step, "--capability", capability, *options, "--out", str(folder))
    lost, before = quality(tuned, model), quality(plain, model)
    return [
        Row(
            f"outlier model, int8 tuned within {TRIALS} trials: points lost, bound",
            "compression", 100 * lost.drop_bound, "points", "<= 1", COMMAND,
            f"{100 * lost.drop:.2f} points; int8 as it is loses {100 * before.drop:.1f}",
        )
    ]  # fmt: skip


def make(model: str, out: str) -> None:
    """Scale some channels of each layer's values, and have the next layer make up for it."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    found = BertForSequenceClassification.from_pretrained(model)
    for layer in found.bert.encoder.layer:
        value, output = layer.attention.self.value, layer.attention.output.dense
        value.weight.data[::EVERY] *= TIMES
        value.bias.data[::EVERY] *= TIMES
        output.weight.data[:, ::EVERY] /= TIMES
    found.save_pretrained(out)
    AutoTokenizer.from_pretrained(model).save_pretrained(out)


if __name__ == "__main__":
    import sys

    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    make(*sys.argv[1:])
