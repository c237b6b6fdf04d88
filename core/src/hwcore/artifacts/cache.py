"""The cache: finished steps by key, whole or not there, safe with several programs at once.

Layout below the root::

    steps/<key>/        artifacts, one per finished step
    datasets/<key>/     datasets made of users' files
    studies/<key>/      studies that were not given a folder of their own
    sensitivity/<key>/  what each layer of a model costs
    tmp/<random>/       work in flight; ``owner.lock`` is held by the program that works there
    locks/<key>.lock    held while a key is being made
    locks/<key>.used    shared by the programs that use what was made
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from hwcore.artifacts.store import fsync_folder, fsync_tree, read_artifact, write_atomic
from hwcore.contract import Artifact, ArtifactCorrupt, UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when no space, or none of the user's share, is left."""

STUDY_LOCK = ".lock"
"""In a study's folder: held by the program that is at work on it."""
NEW_S = 60
"""A workspace younger than this may belong to a program that has not locked it yet."""

ABOUT = "about.txt"
"""In a finished folder that does not say itself what it was made of: a line for listings."""
SETTING = "HWCORE_CACHE"
"""What a user sets to have the cache elsewhere."""

KINDS = {
    "steps": "step",
    "datasets": "rows of a file of yours",
    "studies": "a study",
    "sensitivity": "a model's sensitivity",
}
"""Folders of finished things, and what a listing calls one of them."""


def default_cache_root() -> Path:
    """``HWCORE_CACHE`` where set, else the user's cache folder."""
    from platformdirs import user_cache_path

    configured = os.environ.get(SETTING)
    return Path(configured).expanduser() if configured else user_cache_path("hwcore")


class CacheEntry(NamedTuple):
    """One finished thing in the cache. ``used`` is when it was last asked for, in Unix seconds."""

    kind: str
    key: str
    path: Path
    size_bytes: int
    used: float
    what: str


class DiskFull(UserError):
    """No space is left for the cache: nothing can go on."""

    def __init__(self, root: Path, setting: str = SETTING) -> None:
        super().__init__(
            f"the disk that holds the cache {root} is full",
            hint=f"Free some space, `hwcore cache prune`, or set {setting} to another disk.",
        )


class Cache:
    """A folder of finished work. Two programs may use one at the same time.

    What one has asked for or made is not pruned by another, until it ends or lets go of this.
    """

    def __init__(self, root: Path | None = None, *, setting: str = SETTING) -> None:
        """``setting`` is how the user names another folder. Raises `UserError`."""
        self.setting = setting
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}
        weakref.finalize(self, _close_all, self._used)
        self.root = (root or default_cache_root()).absolute()
        try:
            for name in (*KINDS, "tmp", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            # What was used before may have become read-only since.
            with self._scratch():
                pass
        except OSError as error:
            raise UserError(
                f"the cache folder {self.root} cannot be written: {error.strerror}",
                hint=f"Set {setting} to a folder that can.",
            ) from error

    def path(self, kind: str, key: str) -> Path:
        """Where a finished thing lies, or would."""
        return self.root / kind / key

    def artifact(self, key: str) -> Artifact | None:
        """The finished step of that key; ``None`` if there is none or it is damaged.

        A damaged one is removed: it can be made again, and must never be used.
        """
        folder = self.path("steps", key)
        if not folder.exists():
            return None
        self.use("steps", key)
        try:
            found = read_artifact(folder)
        except (ArtifactCorrupt, UserError):
            self.discard("steps", key)
            return None
        return found

    def use(self, kind: str, key: str) -> None:
        """Count a finished thing as used now, and keep other programs from pruning it."""
        import fcntl

        fcntl.flock(self._descriptor(key), fcntl.LOCK_SH)
        with suppress(FileNotFoundError):  # pruned in the moment before: who reads it will see
            os.utime(self.path(kind, key))

    @contextmanager
    def making(self, key: str) -> Iterator[None]:
        """Hold the right to make ``key``; another program that wants it waits."""
        with FileLock(self.root / "locks" / f"{key}.lock"):
            yield

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder for work in flight, gone afterwards unless it was committed.

        Raises `DiskFull` where an `OSError` of the work says so.
        """
        try:
            with self._scratch() as home, FileLock(home / "owner.lock"):
                try:
                    work = home / "work"
                    work.mkdir()
                    yield work
                finally:  # before the lock is let go of: nobody else is to sweep it
                    shutil.rmtree(home, ignore_errors=True)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull(self.root, self.setting) from error
            raise

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A new folder, gone afterwards. It has a name before it is made: Ctrl-C comes any time."""
        home = self.root / "tmp" / secrets.token_hex(8)
        try:
            home.mkdir(mode=0o700)
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def commit(self, work: Path, kind: str, key: str) -> Path:
        """Move a finished workspace into place. The first of two that finish wins."""
        final = self.path(kind, key)
        fsync_tree(work)
        try:
            work.rename(final)
        except OSError:
            if not final.exists():
                raise
        fsync_folder(final.parent)
        self.use(kind, key)
        return final

    def discard(self, kind: str, key: str) -> None:
        """Remove a finished thing: out of the way first, so that nobody sees half of it."""
        with self._scratch() as grave, suppress(FileNotFoundError):  # another was faster
            self.path(kind, key).rename(grave / "work")

    def entries(self) -> list[CacheEntry]:
        """Everything finished, the longest unused first."""
        found = [
            entry
            for kind in KINDS
            for folder in (self.root / kind).iterdir()
            if (entry := _entry(kind, folder)) is not None
        ]
        return sorted(found, key=lambda entry: entry.used)

    def prune(
        self, *, older_than_s: float | None = None, max_bytes: int | None = None
    ) -> list[CacheEntry]:
        """Remove what nobody works on any more; give the entries that went.

        ``older_than_s`` removes what was not used for so long; ``max_bytes`` removes the
        longest unused until the rest fits. Left-overs of programs that died always go.
        """
        self._sweep()
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries)
        gone = []
        for entry in entries:
            stale = older_than_s is not None and time.time() - entry.used > older_than_s
            if stale or (max_bytes is not None and total > max_bytes):
                if not self._discard_unheld(entry):
                    continue
                total -= entry.size_bytes
                gone.append(entry)
        return gone

    def _discard_unheld(self, entry: CacheEntry) -> bool:
        """Remove an entry, unless a program is at work on it: that one holds its lock."""
        held_by = {
            "steps": self.root / "locks" / f"{entry.key}.lock",
            "datasets": self.root / "locks" / f"{entry.key}.lock",
            "studies": entry.path / STUDY_LOCK,
            "sensitivity": self.root / "locks" / f"{entry.key}.lock",
        }
        try:
            with FileLock(held_by[entry.kind], timeout=0):
                if not self._used_by_nobody_else(entry.key):
                    return False
                self.discard(entry.kind, entry.key)
        except Timeout:
            return False
        finally:
            self._let_go(entry.key)
        return True

    def _used_by_nobody_else(self, key: str) -> bool:
        """True when it is; nobody can begin to use it then before `_let_go`."""
        import fcntl

        try:
            fcntl.flock(self._descriptor(key), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _descriptor(self, key: str) -> int:
        """Of the file whose lock is shared by those who use ``key``."""
        with self._lock:
            if key not in self._used:
                file = self.root / "locks" / f"{key}.used"
                self._used[key] = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            return self._used[key]

    def _let_go(self, key: str) -> None:
        descriptor = self._used.pop(key, None)
        if descriptor is not None:
            os.close(descriptor)

    def _sweep(self) -> None:
        for home in (self.root / "tmp").iterdir():
            try:
                if time.time() - home.stat().st_mtime < NEW_S:
                    continue
                with FileLock(home / "owner.lock", timeout=0):
                    shutil.rmtree(home, ignore_errors=True)
            except (Timeout, FileNotFoundError):  # its owner is at work, or has just finished
                continue


def _entry(kind: str, folder: Path) -> CacheEntry | None:
    """What a listing says of a folder; ``None`` when another program has just removed it."""
    try:
        used = folder.stat().st_mtime
        return CacheEntry(kind, folder.name, folder, _size(folder), used, _describe(kind, folder))
    except FileNotFoundError:
        return None


def describe(folder: Path, about: str) -> None:
    """Say in a folder that is, or will be, in the cache what it was made of: for listings."""
    write_atomic(folder / ABOUT, about.encode())


def _close_all(descriptors: dict[str, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())


def _describe(kind: str, folder: Path) -> str:
    """A few words for a listing, which must show damaged entries too."""
    if kind != "steps":
        try:
            return (folder / ABOUT).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return KINDS[kind]
    try:
        manifest = read_artifact(folder).manifest
    except (ArtifactCorrupt, UserError) as error:
        return f"damaged: {error.message}"
    steps = [f"{step.hook} {step.plugin}/{step.capability}" for step in manifest.lineage]
    return " → ".join(steps) or manifest.format
