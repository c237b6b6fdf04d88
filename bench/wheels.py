"""Wheels of this repository, and environments to install them in without a registry."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

KEPT = re.compile(r"hwcore|core_plugin_|_editable_impl_|__editable__|pip(-|$)|.*\.pth$")
"""What is installed here and not lent: this repository's, and what an environment has anyway."""


def build(folder: Path, out: Path) -> Path:
    """The wheel of a distribution."""
    before = set(out.glob("*.whl"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [wheel] = set(out.glob("*.whl")) - before
    return wheel


def lend(venv: Path) -> Path:
    """Make an environment that finds what others made and is installed here; its ``bin``.

    To pip it is installed there as well: what would be minutes of unpacking torch is a second.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    lent = venv.absolute() / "lent"  # a relative path in a .pth file is of site-packages
    lent.mkdir()
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not KEPT.match(path.name):
            (lent / path.name).symlink_to(path)
    [site] = venv.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    return venv / "bin"


def install(venv: Path, wheels: Iterable[Path]) -> None:
    """Install wheels into such an environment; what they require is there."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(venv), "install", "--quiet"),
            *("--disable-pip-version-check", "--no-index", "--no-deps", *map(str, wheels)),
        ],
        check=True,
    )
