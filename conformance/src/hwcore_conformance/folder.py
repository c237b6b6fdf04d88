"""The folder of a report: whole, or not there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hwcore.contract import UserError

REPORT: Final = "report.json"
PAGE: Final = "report.html"
FILES: Final = (
    REPORT,
    PAGE,
    "junit.xml",
    "summary.md",
    "badge.svg",
    "attestation.intoto.json",
)
"""All that a report's folder may hold."""

_ANOTHER = "Name a new folder, or that of an earlier report, with --out."


def check_folder(out: Path) -> None:
    """Refuse before the work what could not be written after it. Raises `UserError`."""
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file", hint=_ANOTHER)
    try:
        there = sorted(path.name for path in out.iterdir()) if out.exists() else []
        if there and not (set(there) <= set(FILES) and _is_report(out / REPORT)):
            raise UserError(f"{out} holds something that is no report", hint=_ANOTHER)
        existing = next(folder for folder in out.parents if folder.exists())
        Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=existing)).rmdir()
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", hint=_ANOTHER) from error


def write_folder(out: Path, files: Mapping[str, str]) -> None:
    """Make ``out`` hold exactly these files, or leave it as it was. Raises `UserError`."""
    out = out.resolve()
    check_folder(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", hint=_ANOTHER) from error
    try:
        made, old = work / "new", work / "old"
        made.mkdir()
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        try:
            if out.exists():
                out.rename(old)
            made.rename(out)
        except BaseException:  # a signal, too: the earlier report comes back
            if old.exists() and not out.exists():
                old.rename(out)
            raise
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", hint=_ANOTHER) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_file(path: Path, text: str) -> None:
    """Write a file whole, or leave what was there. Raises `UserError`."""
    hint = "Name another file with --out."
    if path.is_dir():
        raise UserError(f"{path} is a folder", hint=hint)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
            made = Path(work) / "new"
            made.write_text(text, encoding="utf-8")
            made.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


def _is_report(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "schema_version" in content and "records" in content
