"""What identifies content: sha256 of files, of JSON values, of an artifact."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import JsonValue

from hwcore.contract import ArtifactManifest, Cancelled, FileEntry

_CHUNK_BYTES = 1 << 20


def sha256_file(path: Path, *, stopping: threading.Event | None = None) -> str:
    """Hex digest of a file's bytes. Raises `Cancelled` once ``stopping`` is set."""
    digest = hashlib.sha256()
    chunk = memoryview(bytearray(_CHUNK_BYTES))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(chunk):
            digest.update(chunk[:count])
            if stopping is not None and stopping.is_set():
                raise Cancelled(f"hashing {path} was stopped")
    return digest.hexdigest()


def sha256_json(value: JsonValue) -> str:
    """Hex digest of a JSON value, the same however its keys are ordered."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_entries(root: Path, names: Iterable[str]) -> dict[str, FileEntry]:
    """Hash files below ``root``, several at a time: hashlib lets go of the GIL."""
    stopping = threading.Event()

    def entry(name: str) -> FileEntry:
        path = root / name
        # Stat first: a file that changes while it is hashed must look changed later.
        stat = path.stat()
        return FileEntry(
            sha256=sha256_file(path, stopping=stopping),
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
        )

    ordered = sorted(names)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        try:
            return dict(zip(ordered, pool.map(entry, ordered), strict=True))
        except BaseException:
            stopping.set()  # the pool waits for its threads, and a Ctrl-C must not
            raise


def manifest_digest(manifest: ArtifactManifest) -> str:
    """Digest of what an artifact is: its content and history, not times or places."""
    value = manifest.model_dump(mode="json", exclude={"digest", "location"})
    for entry in value["files"].values():
        del entry["mtime_ns"]
    return sha256_json(value)
