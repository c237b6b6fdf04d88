"""``make demo``: make a real classifier, then do with it what a user does with theirs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from demo.reviews import write_splits

HOME = Path("build/demo")
MODEL, BEST = HOME / "model", HOME / "best"
TEXTS = (
    "A quiet film that stays with you for days.",
    "Two hours I will never get back.",
)


def main() -> None:
    """Run every step; the second time only what is not done yet."""
    began = time.monotonic()
    HOME.mkdir(parents=True, exist_ok=True)
    train, reviews = write_splits(HOME)
    if not (MODEL / "README.md").exists():
        hwcore_python("-m", "demo.train", str(train), str(MODEL))
    print((MODEL / "README.md").read_text(encoding="utf-8"))
    hwcore(
        "optimize", str(MODEL), "--data", str(reviews), "--max-drop", "0.01",
        "--study", str(HOME), "--out", str(BEST),
    )  # fmt: skip
    print()
    hwcore("run", str(BEST), *(part for text in TEXTS for part in ("--text", text)))
    print(f"\nmake demo took {time.monotonic() - began:.0f} s")


def hwcore(*arguments: str) -> None:
    """Run the command a user would type, and show it."""
    print(f"$ hwcore {shlex.join(arguments)}", flush=True)
    hwcore_python("-m", "hwcore", *arguments)


def hwcore_python(*arguments: str) -> None:
    """Run this Python with the demo's own cache; leave with its status when it fails."""
    environment = {**os.environ, "HWCORE_CACHE": str(Path("build/cache").absolute())}
    status = subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
