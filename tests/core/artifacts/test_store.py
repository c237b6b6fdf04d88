"""Artifact folders: sealed whole, read with suspicion, copied with care."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import parts
import pytest

from hwcore.artifacts import copy_artifact, manifest_digest, read_artifact, seal
from hwcore.artifacts.store import MANIFEST, write_atomic
from hwcore.contract import (
    Artifact,
    ArtifactCorrupt,
    ArtifactManifest,
    Component,
    Draft,
    PluginError,
    Traits,
    UserError,
)

FILES = {"model.bin": bytes(range(256)) * 8, "sub/table.bin": b"table"}


@pytest.fixture
def made(tmp_path: Path) -> Artifact:
    return parts.artifact(tmp_path / "made", FILES)


def flip(file: Path, place: int = 100, *, keep_time: bool) -> None:
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    later = before.st_mtime_ns if keep_time else before.st_mtime_ns + 1_000_000
    os.utime(file, ns=(before.st_atime_ns, later))


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / MANIFEST).read_text()
    assert text.count(old) >= 1
    (folder / MANIFEST).write_text(text.replace(old, new))


class TestSeal:
    SOURCE_FACTS = {"parameters": 10, "bits_per_weight": 32.0}  # noqa: RUF012

    @pytest.fixture
    def source(self, tmp_path: Path) -> Artifact:
        return parts.artifact(
            tmp_path / "source", facts=self.SOURCE_FACTS, lineage=(parts.step(hook="export"),)
        )

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        parts.write_files(tmp_path / "out", FILES)
        return tmp_path / "out"

    def test_what_a_draft_leaves_out_is_the_sources(self, out: Path, source: Artifact) -> None:
        draft = Draft(
            format="blob",
            traits=Traits(quantization="int8-weight"),
            facts={"bits_per_weight": 8.0, "ops_quantized": 2},
        )
        sealed = seal(out, draft, source, parts.step(parent=source.digest))
        manifest = sealed.manifest
        assert manifest.format == "blob"
        assert manifest.traits == draft.traits
        assert manifest.task == source.task
        assert manifest.components == source.manifest.components
        assert manifest.facts == {"parameters": 10, "bits_per_weight": 8.0, "ops_quantized": 2}
        assert [step.hook for step in manifest.lineage] == ["export", "quantize"]
        assert set(manifest.files) == set(FILES)
        assert read_artifact(out, verify=True).manifest == manifest

    def test_a_symbolic_link_is_refused(self, out: Path, source: Artifact) -> None:
        (out / "sub" / "link").symlink_to("/etc/hosts")
        with pytest.raises(PluginError, match=r"^it left a symbolic link, sub/link"):
            seal(out, Draft(format="blob"), source, parts.step())
        assert not (out / MANIFEST).exists()

    def test_a_link_to_a_folder_is_refused_too(self, out: Path, source: Artifact) -> None:
        (out / "link").symlink_to(out / "sub")
        with pytest.raises(PluginError, match="it left a symbolic link, link"):
            seal(out, Draft(format="blob"), source, parts.step())

    def test_a_component_without_its_file_is_refused(self, out: Path, source: Artifact) -> None:
        component = Component(signature=parts.text_signature(), file="gone.bin")
        draft = Draft(format="blob", components={"model": component})
        message = "its component 'model' names gone.bin, which is not there"
        with pytest.raises(PluginError, match=message):
            seal(out, draft, source, parts.step())
        assert not (out / MANIFEST).exists()

    def test_the_manifest_is_for_the_core_to_write(self, out: Path, source: Artifact) -> None:
        (out / MANIFEST).write_text("{}")
        with pytest.raises(PluginError, match=r"it wrote artifact.json, which is the core's to"):
            seal(out, Draft(format="blob"), source, parts.step())


class TestRead:
    def test_whole(self, made: Artifact) -> None:
        for verify in (False, True):
            assert read_artifact(made.path, verify=verify) == made

    def test_a_flipped_byte_with_another_time_is_found_at_load(self, made: Artifact) -> None:
        flip(made.path / "model.bin", keep_time=False)
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            read_artifact(made.path)

    def test_a_flipped_byte_with_the_same_time_is_found_by_verify(self, made: Artifact) -> None:
        flip(made.path / "model.bin", keep_time=True)
        assert read_artifact(made.path) == made
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            read_artifact(made.path, verify=True)

    def test_another_time_alone_is_no_damage(self, made: Artifact) -> None:
        os.utime(made.path / "model.bin", (1, 1))
        assert read_artifact(made.path).digest == made.digest

    @pytest.mark.parametrize("size", [0, 100, 5000])
    def test_another_size_is_found_at_load(self, made: Artifact, size: int) -> None:
        file = made.path / "model.bin"
        time = file.stat().st_mtime_ns
        os.truncate(file, size)
        os.utime(file, ns=(time, time))
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            read_artifact(made.path)

    def test_a_pipe_in_the_place_of_a_file(self, tmp_path: Path) -> None:
        made = parts.artifact(tmp_path / "empty", {"model.bin": b""})
        (made.path / "model.bin").unlink()
        os.mkfifo(made.path / "model.bin")
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            read_artifact(made.path)

    def test_a_missing_file(self, made: Artifact) -> None:
        (made.path / "sub" / "table.bin").unlink()
        with pytest.raises(ArtifactCorrupt, match=r"sub/table.bin is missing"):
            read_artifact(made.path)

    def test_a_link_that_leads_out(self, made: Artifact, tmp_path: Path) -> None:
        file = made.path / "model.bin"
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ArtifactCorrupt, match=r"model.bin leads out of the folder"):
            read_artifact(made.path)

    def test_a_manifest_that_refers_to_another_folder(self, made: Artifact, tmp_path: Path) -> None:
        """Files, sizes and digest fit: it is where they lie that a stranger must not say."""
        elsewhere = tmp_path / "home"
        made.path.rename(elsewhere)
        (elsewhere / MANIFEST).rename(tmp_path / MANIFEST)
        edit(tmp_path, '"location": null', f'"location": "{elsewhere}"')
        with pytest.raises(ArtifactCorrupt) as caught:
            read_artifact(tmp_path)
        assert caught.value.message == (
            f"{tmp_path / MANIFEST} refers to files in another folder, {elsewhere}"
        )
        assert caught.value.hint == "Name that folder itself, if you trust what it holds."

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"text-classification"', '"feature-extraction"'),
            ('"size": 5', '"size": 6'),
            ('"toy"', '"toz"'),
        ],
    )
    def test_an_edited_manifest(self, made: Artifact, old: str, new: str) -> None:
        edit(made.path, old, new)
        with pytest.raises(ArtifactCorrupt, match="was edited: its digest does not match") as error:
            read_artifact(made.path)
        assert error.value.hint
        assert "never changed after they are written" in error.value.hint

    def test_a_path_that_leaves_the_folder(self, made: Artifact) -> None:
        (made.path.parent / "outside").write_bytes(b"table")
        edit(made.path, "sub/table.bin", "../outside")
        with pytest.raises(ArtifactCorrupt, match=r"'\.\./outside' leaves the artifact's folder"):
            read_artifact(made.path)

    def test_a_path_that_leaves_the_folder_in_a_manifest_with_the_right_digest(
        self, made: Artifact
    ) -> None:
        (made.path.parent / "outside").write_bytes(b"table")
        manifest = ArtifactManifest.model_construct(
            **{**vars(made.manifest), "files": {"../outside": made.manifest.files["sub/table.bin"]}}
        )
        forged = manifest.model_copy(update={"digest": manifest_digest(manifest)})
        (made.path / MANIFEST).write_text(forged.model_dump_json())
        with pytest.raises(ArtifactCorrupt, match=r"'\.\./outside' leaves the artifact's folder"):
            read_artifact(made.path)

    def test_an_oversized_manifest_is_not_read(
        self, made: Artifact, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A hole in the file: 64 MiB and a byte that take no room on the disk.
        os.truncate(made.path / MANIFEST, (64 << 20) + 1)
        monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
        with pytest.raises(ArtifactCorrupt, match="is larger than 64 MiB"):
            read_artifact(made.path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", r"artifact.json: Invalid JSON"),
            (b'{"format"', r"artifact.json: Invalid JSON"),
            (b"\xff\xfe", r"artifact.json: Invalid JSON"),
            (b"[" * 100_000, r"artifact.json: Invalid JSON: recursion limit"),
            (b"[]", r"artifact.json: Input should be an object"),
            (b'{"format": "x"}', r"artifact.json: task: Field required"),
        ],
        ids=["empty", "half", "binary", "deep", "list", "fields"],
    )
    def test_a_manifest_that_is_none(self, made: Artifact, content: bytes, message: str) -> None:
        (made.path / MANIFEST).write_bytes(content)
        with pytest.raises(ArtifactCorrupt, match=message):
            read_artifact(made.path)

    def test_a_folder_that_is_no_artifact(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path, tmp_path / "gone", tmp_path / "file"):
            with pytest.raises(UserError, match=r"is not an artifact: it has no artifact.json"):
                read_artifact(path)

    def test_a_manifest_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / MANIFEST).mkdir()
        with pytest.raises(UserError, match=r"artifact.json cannot be read: Is a directory"):
            read_artifact(tmp_path)

    def test_a_later_schema(self, made: Artifact) -> None:
        edit(made.path, '"schema_version": 1', '"schema_version": 2')
        with pytest.raises(ArtifactCorrupt, match="schema_version: Input should be 1"):
            read_artifact(made.path)


class TestCopy:
    def test_files_of_ours_are_copied(self, made: Artifact, tmp_path: Path) -> None:
        (tmp_path / "copy").mkdir()
        copied = copy_artifact(made, tmp_path / "copy")
        flip(tmp_path / "copy" / "model.bin", keep_time=False)  # the user works on theirs
        assert read_artifact(made.path, verify=True) == made
        assert copied.digest == made.digest

    def test_a_users_folder_is_copied(self, tmp_path: Path) -> None:
        users = tmp_path / "users"
        made = parts.artifact(tmp_path / "made", FILES, users=users)
        (tmp_path / "copy").mkdir()
        copied = copy_artifact(made, tmp_path / "copy")
        assert copied.manifest.location is None
        assert copied.digest == made.digest
        for name, content in FILES.items():
            assert not (tmp_path / "copy" / name).samefile(users / name)
            assert (tmp_path / "copy" / name).read_bytes() == content
        flip(users / "model.bin", keep_time=False)  # the user goes on working
        assert read_artifact(tmp_path / "copy", verify=True) == copied

    def test_another_file_system(self, made: Artifact, tmp_path: Path) -> None:
        memory = Path("/dev/shm")  # noqa: S108 - a file system that every Linux has
        if not memory.exists() or memory.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("needs /dev/shm, on another file system than temporary files")
        with tempfile.TemporaryDirectory(dir=memory) as name:
            folder = Path(name)
            copied = copy_artifact(made, folder)
            assert read_artifact(folder, verify=True) == copied
            assert copied.digest == made.digest
            assert (folder / "model.bin").stat().st_nlink == 1

    def test_a_damaged_source_is_not_passed_on(self, made: Artifact, tmp_path: Path) -> None:
        flip(made.path / "model.bin", keep_time=True)
        (tmp_path / "copy").mkdir()
        with pytest.raises(ArtifactCorrupt, match=r"model.bin is not the file that was written"):
            copy_artifact(made, tmp_path / "copy")
        assert not (tmp_path / "copy" / MANIFEST).exists()


class TestShared:
    """What a step leaves as it was takes its space once."""

    BIG = bytes(range(256)) * 512

    def next_step(self, made: Artifact, folder: Path, files: dict[str, bytes]) -> Artifact:
        parts.write_files(folder, files)
        return seal(folder, Draft(format="acme"), made, parts.step())

    def test_an_unchanged_file_is_the_sources(self, tmp_path: Path) -> None:
        made = parts.artifact(tmp_path / "made", {"weights.bin": self.BIG, "small": b"s"})
        after = self.next_step(made, tmp_path / "next", {"renamed.bin": self.BIG, "small": b"s"})
        assert (after.path / "renamed.bin").samefile(made.path / "weights.bin")
        assert not (after.path / "small").samefile(made.path / "small")
        assert read_artifact(after.path, verify=True) == after
        assert sorted(path.name for path in after.path.iterdir()) == [
            MANIFEST,
            "renamed.bin",
            "small",
        ]

    def test_a_users_file_is_not(self, tmp_path: Path) -> None:
        users = tmp_path / "users"
        made = parts.artifact(tmp_path / "made", {"weights.bin": self.BIG}, users=users)
        after = self.next_step(made, tmp_path / "next", {"weights.bin": self.BIG})
        assert not (after.path / "weights.bin").samefile(users / "weights.bin")

    def test_nor_is_one_that_was_touched(self, tmp_path: Path) -> None:
        made = parts.artifact(tmp_path / "made", {"weights.bin": self.BIG})
        flip(made.path / "weights.bin", keep_time=False)
        after = self.next_step(made, tmp_path / "next", {"weights.bin": self.BIG})
        assert read_artifact(after.path, verify=True) == after


class TestWriteAtomic:
    def test_replaces_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        write_atomic(tmp_path / "file", b"old")
        write_atomic(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_a_failure_keeps_the_old_file(self, tmp_path: Path) -> None:
        with parts.small_disk(tmp_path / "disk", "64k") as folder:
            write_atomic(folder / "file", b"old")
            with pytest.raises(OSError, match="No space left on device"):
                write_atomic(folder / "file", bytes(1 << 20))
            assert (folder / "file").read_bytes() == b"old"
            assert [path.name for path in folder.iterdir()] == ["file"]


def test_an_artifact_reads_as_json_for_people(made: Artifact) -> None:
    file = made.path / MANIFEST
    manifest = json.loads(file.read_text())
    assert manifest["digest"] == made.digest
    assert manifest["files"]["sub/table.bin"]["size"] == 5
    assert stat.S_IMODE(file.stat().st_mode) & 0o400
