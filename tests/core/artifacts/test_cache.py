"""The cache: finished work is whole or not there, with several programs at once."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import parts
import pytest
from filelock import FileLock

from hwcore.artifacts import Cache, DiskFull, default_cache_root
from hwcore.artifacts.cache import NEW_S, describe
from hwcore.contract import Artifact, UserError

KEY = "a" * 64


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def make(cache: Cache, key: str = KEY, content: bytes = b"weights") -> Artifact:
    with cache.workspace() as work:
        parts.artifact(work, {"model.bin": content}, lineage=(parts.step(),))
        cache.commit(work, "steps", key)
    found = cache.artifact(key)
    assert found is not None
    return found


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def in_flight(cache: Cache) -> list[Path]:
    return list((cache.root / "tmp").iterdir())


class TestFinding:
    def test_what_was_committed_is_found(self, cache: Cache) -> None:
        assert cache.artifact(KEY) is None
        made = make(cache)
        assert made.path == cache.path("steps", KEY)
        assert Cache(cache.root).artifact(KEY) == made
        assert in_flight(cache) == []

    def test_asking_counts_as_use(self, cache: Cache) -> None:
        folder = make(cache).path
        age(folder, 1000)
        cache.artifact(KEY)
        assert time.time() - folder.stat().st_mtime < 100

    @pytest.mark.parametrize("damage", ["byte", "file", "manifest", "text"])
    def test_a_damaged_entry_is_discarded_and_can_be_made_again(
        self, cache: Cache, damage: str
    ) -> None:
        folder = make(cache).path
        match damage:
            case "byte":
                (folder / "model.bin").write_bytes(b"weighty")
                os.utime(folder / "model.bin", (1, 1))
            case "file":
                (folder / "model.bin").unlink()
            case "manifest":
                (folder / "artifact.json").unlink()
            case "text":
                (folder / "artifact.json").write_text("{")
        assert cache.artifact(KEY) is None
        assert not folder.exists()
        assert in_flight(cache) == []
        assert make(cache).path == folder


class TestWorkspace:
    def test_removed_on_error(self, cache: Cache) -> None:
        def work_and_fail() -> None:
            with cache.workspace() as work:
                (work / "half").write_bytes(b"done")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work_and_fail()
        assert in_flight(cache) == []

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_no_space_is_told_by_the_disk(self, cache: Cache, number: int) -> None:
        def work_in_vain() -> None:
            with cache.workspace():
                raise OSError(number, os.strerror(number))

        with pytest.raises(DiskFull) as caught:
            work_in_vain()
        assert caught.value.message == f"the disk that holds the cache {cache.root} is full"
        assert caught.value.exit_code == 2
        assert in_flight(cache) == []

    def test_another_error_is_itself(self, cache: Cache) -> None:
        def work_in_vain() -> None:
            with cache.workspace() as work:
                (work / "gone").read_bytes()

        with pytest.raises(FileNotFoundError):
            work_in_vain()
        assert in_flight(cache) == []

    def test_stopped_before_it_is_ready(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*arguments: object, **named: object) -> None:
            raise KeyboardInterrupt

        def begin() -> None:
            with cache.workspace():
                pytest.fail("it was stopped before")

        monkeypatch.setattr(FileLock, "acquire", interrupted)
        with pytest.raises(KeyboardInterrupt):
            begin()
        assert in_flight(cache) == []

    def test_removed_when_not_committed(self, cache: Cache) -> None:
        with cache.workspace() as work:
            assert list(work.iterdir()) == []
        assert in_flight(cache) == []

    def test_two_have_nothing_in_common(self, cache: Cache) -> None:
        with cache.workspace() as one, cache.workspace() as two:
            assert one != two

    def test_the_first_of_two_that_finish_wins(self, cache: Cache) -> None:
        with cache.workspace() as one, cache.workspace() as two:
            parts.artifact(one, {"model.bin": b"first"})
            parts.artifact(two, {"model.bin": b"second"})
            final = cache.commit(one, "steps", KEY)
            assert cache.commit(two, "steps", KEY) == final
        assert (final / "model.bin").read_bytes() == b"first"
        assert in_flight(cache) == []

    def test_names_are_on_disk_before_the_work_is_moved(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        real = os.fsync

        def fsync(handle: int) -> None:
            synced.append(os.fstat(handle).st_ino)
            real(handle)

        with cache.workspace() as work:
            parts.write_files(work, {"sub/deep/model.bin": b"weights"})
            folders = [work, work / "sub", work / "sub" / "deep"]
            inodes = {folder.stat().st_ino for folder in folders}
            monkeypatch.setattr(os, "fsync", fsync)
            final = cache.commit(work, "steps", KEY)
        assert inodes <= set(synced)
        assert synced[-1] == final.parent.stat().st_ino

    def test_a_commit_that_cannot_be_is_an_error(self, cache: Cache) -> None:
        with cache.workspace() as work, pytest.raises(FileNotFoundError):
            cache.commit(work / "gone", "steps", KEY)


class TestMaking:
    def test_of_many_threads_one_makes(self, cache: Cache) -> None:
        made = []
        barrier = threading.Barrier(6)

        def work(number: int) -> str:
            barrier.wait()
            with cache.making(KEY):
                if cache.artifact(KEY) is None:
                    made.append(number)
                    make(cache)
            found = cache.artifact(KEY)
            assert found is not None
            return found.digest

        with ThreadPoolExecutor(6) as pool:
            digests = set(pool.map(work, range(6)))
        assert len(made) == 1
        assert len(digests) == 1

    def test_other_keys_do_not_wait(self, cache: Cache) -> None:
        with cache.making(KEY), ThreadPoolExecutor(1) as pool:

            def other() -> str:
                with cache.making("b" * 64):
                    return "made"

            assert pool.submit(other).result(timeout=10) == "made"

    def test_of_two_processes_one_makes(self, cache: Cache) -> None:
        program = f"""
import sys
from pathlib import Path
from hwcore.artifacts import Cache
from hwcore.contract import ArtifactManifest
from hwcore.artifacts import write_artifact
cache = Cache(Path({str(cache.root)!r}))
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
for key in map(str, range(20)):
    with cache.making(key):
        if cache.artifact(key) is None:
            with cache.workspace() as work:
                write_artifact(work, ArtifactManifest(
                    format="toy", task="t", components={{}}, files={{}}))
                cache.commit(work, "steps", key)
            print(key)
"""
        both = [_start(program), _start(program)]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        answers = [process.communicate("go\n", timeout=30) for process in both]
        assert [process.returncode for process in both] == [0, 0], answers
        made = [line for out, _ in answers for line in out.split()]
        assert sorted(made, key=int) == [str(number) for number in range(20)]
        assert in_flight(cache) == []


class TestDiscard:
    def test_twice_is_once(self, cache: Cache) -> None:
        make(cache)
        for _ in range(2):  # another program may have been faster
            cache.discard("steps", KEY)
        assert cache.entries() == []
        assert in_flight(cache) == []


class TestListing:
    def test_entries_are_described_longest_unused_first(self, cache: Cache) -> None:
        make(cache, "new")
        make(cache, "old", b"more weights")
        (cache.root / "studies" / "s").mkdir()
        age(cache.path("steps", "old"), 500)
        (cache.root / "datasets" / "d").mkdir()
        describe(cache.path("datasets", "d"), "rows of reviews.csv")
        age(cache.path("studies", "s"), 250)
        age(cache.path("datasets", "d"), 200)
        entries = cache.entries()
        assert [(e.kind, e.key, e.what) for e in entries] == [
            ("steps", "old", "quantize acme/int8"),
            ("studies", "s", "a study"),
            ("datasets", "d", "rows of reviews.csv"),
            ("steps", "new", "quantize acme/int8"),
        ]
        assert entries[0].size_bytes > len(b"more weights")
        assert time.time() - entries[0].used == pytest.approx(500, abs=100)

    def test_a_damaged_entry_is_listed_as_such(self, cache: Cache) -> None:
        (make(cache).path / "model.bin").unlink()
        (entry,) = cache.entries()
        assert entry.what.startswith("damaged: ")
        assert "model.bin is missing" in entry.what

    def test_an_entry_that_goes_meanwhile_is_left_out(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(cache, "gone")
        make(cache, "here")
        # Another program prunes between the listing of the folder and the look at an entry.
        listed = list((cache.root / "steps").iterdir())
        real = Path.iterdir
        monkeypatch.setattr(
            Path,
            "iterdir",
            lambda self: iter(listed) if self == cache.root / "steps" else real(self),
        )
        cache.discard("steps", "gone")
        assert [entry.key for entry in cache.entries()] == ["here"]


class TestPrune:
    def test_by_age(self, cache: Cache) -> None:
        for key, seconds in {"young": 10, "old": 5000}.items():
            make(cache, key)
            age(cache.path("steps", key), seconds)
        gone = cache.prune(older_than_s=1000)
        assert [entry.key for entry in gone] == ["old"]
        assert [entry.key for entry in cache.entries()] == ["young"]

    def test_by_size_removes_the_longest_unused(self, cache: Cache) -> None:
        for number, key in enumerate("abc"):
            make(cache, key, bytes(10_000))
            age(cache.path("steps", key), 5000 - 1000 * number)
        size = cache.entries()[0].size_bytes
        assert [entry.key for entry in cache.prune(max_bytes=2 * size)] == ["a"]
        assert [entry.key for entry in cache.prune(max_bytes=2 * size)] == []
        assert [entry.key for entry in cache.prune(max_bytes=0)] == ["b", "c"]

    def test_without_a_bound_it_keeps_what_is_finished(self, cache: Cache) -> None:
        make(cache)
        assert cache.prune() == []
        assert len(cache.entries()) == 1

    def test_left_overs_of_a_killed_process_go(self, cache: Cache) -> None:
        with _holding_a_workspace(cache) as (process, home):
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=10)
            assert (home / "work" / "half").exists()
            age(home, NEW_S + 10)
            cache.prune()
            assert in_flight(cache) == []

    def test_the_workspace_of_a_living_process_stays(self, cache: Cache) -> None:
        with _holding_a_workspace(cache) as (process, home):
            age(home, 100 * NEW_S)
            cache.prune()
            assert (home / "work" / "half").exists()
            process.communicate("go on\n", timeout=10)
            assert process.returncode == 0
        assert in_flight(cache) == []

    def test_a_workspace_that_was_just_made_stays(self, cache: Cache) -> None:
        # Its owner may not have taken the lock yet.
        (cache.root / "tmp" / "new").mkdir()
        cache.prune()
        assert len(in_flight(cache)) == 1

    def test_a_workspace_that_goes_meanwhile_is_no_error(
        self, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Its owner finishes between the listing of the folder and the look at it.
        gone = cache.root / "tmp" / "gone"
        real = Path.iterdir
        monkeypatch.setattr(
            Path,
            "iterdir",
            lambda self: iter([gone]) if self == cache.root / "tmp" else real(self),
        )
        assert cache.prune() == []

    @pytest.mark.parametrize("how", ["made", "asked for"])
    def test_what_a_living_program_uses_stays(self, cache: Cache, how: str) -> None:
        make(cache, "free")
        program = """
if "made" == {how!r}:
    with cache.workspace() as work:
        write_artifact(work, ArtifactManifest(format="toy", task="t", components={{}}, files={{}}))
        cache.commit(work, "steps", "used")
assert cache.artifact("used")
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
"""
        program = f"""
import sys
from pathlib import Path
from hwcore.artifacts import Cache, write_artifact
from hwcore.contract import ArtifactManifest
cache = Cache(Path({str(cache.root)!r}))
{program.format(how=how)}"""
        if how == "asked for":
            make(Cache(cache.root), "used")
        with _start(program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert [entry.key for entry in cache.prune(max_bytes=0)] == ["free"]
            assert cache.path("steps", "used").exists()
            process.communicate("go on\n", timeout=10)
        assert [entry.key for entry in cache.prune(max_bytes=0)] == ["used"]

    def test_what_nobody_uses_any_more_goes(self, cache: Cache) -> None:
        other = Cache(cache.root)
        make(other)
        assert cache.prune(max_bytes=0) == []
        del other
        assert [entry.key for entry in cache.prune(max_bytes=0)] == [KEY]


class TestRoot:
    def test_from_the_environment(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HWCORE_CACHE", str(tmp_path / "mine"))
        assert default_cache_root() == tmp_path / "mine"
        assert Cache().root == tmp_path / "mine"
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("HWCORE_CACHE", "~/mine")
        assert default_cache_root() == tmp_path / "mine"
        monkeypatch.setenv("HWCORE_CACHE", "")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert default_cache_root() == tmp_path / ".cache" / "hwcore"

    @pytest.mark.parametrize("used_before", [False, True])
    def test_read_only(self, tmp_path: Path, used_before: bool) -> None:
        root = tmp_path / "cache"
        root.mkdir()
        if used_before:
            Cache(root)
        with (
            parts.read_only(root),
            pytest.raises(UserError, match=r"the cache folder .* cannot be written: ") as error,
        ):
            Cache(root)
        assert error.value.hint == "Set HWCORE_CACHE to a folder that can."

    def test_the_hint_names_what_the_user_named_it_with(self, tmp_path: Path) -> None:
        (tmp_path / "cache").touch()
        with pytest.raises(UserError) as error:
            Cache(tmp_path / "cache", setting="--cache-dir")
        assert error.value.hint == "Set --cache-dir to a folder that can."
        assert "set --cache-dir to another" in (DiskFull(tmp_path, "--cache-dir").hint or "")

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "cache").touch()
        with pytest.raises(UserError, match="cannot be written: Not a directory"):
            Cache(tmp_path / "cache")


def _start(program: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


@contextmanager
def _holding_a_workspace(cache: Cache) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process at work in the cache, until it is told to go on or killed."""
    program = f"""
import sys
from pathlib import Path
from hwcore.artifacts import Cache
with Cache(Path({str(cache.root)!r})).workspace() as work:
    (work / "half").write_bytes(b"done")
    sys.stdout.write(str(work.parent) + "\\n"); sys.stdout.flush()
    sys.stdin.readline()
"""
    with _start(program) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()
