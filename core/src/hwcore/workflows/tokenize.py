"""How long turning a text into a model's inputs takes: apart, since no engine makes it faster."""

from __future__ import annotations

import time

import numpy as np

from hwcore.contract import Artifact, Dataset
from hwcore.data import batches
from hwcore.measure.workload import drawn_role

TEXTS = 64
PASSES = 5


def tokenize_ms(source: Artifact, data: Dataset | None) -> float | None:
    """Median milliseconds to tokenize one of the user's texts; ``None`` without data or texts.

    A dataset holds token ids, so the texts timed are those ids read back as words.
    """
    role = drawn_role(data)
    if data is None or role is None or "input_ids" not in data.info.columns:
        return None
    from hwcore.transformers import load_tokenizer

    tokenizer = load_tokenizer(source.root, source.component().signature)
    rows = batches(data, role, batch_size=1, limit=TEXTS)
    texts = [tokenizer.decode(batch.inputs["input_ids"][0]) for batch in rows]
    if not texts:
        return None
    times = []
    for _ in range(PASSES):
        for text in texts:
            began = time.perf_counter_ns()
            tokenizer([text])
            times.append(time.perf_counter_ns() - began)
    return float(np.median(times)) / 1e6
