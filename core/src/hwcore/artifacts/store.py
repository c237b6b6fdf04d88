"""Reading, sealing and copying artifact folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from pathlib import Path

from pydantic import ValidationError

from hwcore.artifacts.digest import file_entries, manifest_digest, sha256_file
from hwcore.artifacts.files import refuse_endless
from hwcore.contract import (
    Artifact,
    ArtifactCorrupt,
    ArtifactManifest,
    Draft,
    FileEntry,
    LineageStep,
    PluginError,
    UserError,
)

MANIFEST = "artifact.json"
CHECK = "check.json"
RESERVED = (MANIFEST, CHECK)
"""Files beside a step's own: the manifest, and what was checked of it."""

LINKED_BYTES = 1 << 16
"""Smaller files are not worth a link."""
MAX_MANIFEST_BYTES = 64 << 20
"""Bound on what is read into memory before anything is known of a folder."""

AGAIN = "Make the artifact again."
"""The hint where an artifact is not what was written."""


def write_artifact(folder: Path, manifest: ArtifactManifest) -> Artifact:
    """Write ``artifact.json`` into ``folder`` with its digest filled in, whole or not at all."""
    sealed = manifest.model_copy(update={"digest": manifest_digest(manifest)})
    write_atomic(folder / MANIFEST, sealed.model_dump_json(indent=1).encode())
    return Artifact(path=folder, manifest=sealed)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``; a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def seal(folder: Path, draft: Draft, source: Artifact, step: LineageStep) -> Artifact:
    """Make an artifact of the files that a hook has put into ``folder``.

    Components and facts that the draft leaves out are the source's. Every file is on disk
    when this returns. Raises `PluginError` for files that an artifact cannot be made of.
    """
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise PluginError(f"it left a symbolic link, {name}")
        if name in RESERVED:
            raise PluginError(f"it wrote {name}, which is the core's to write")
        if path.is_file():
            names.append(name)
            _fsync(path)
    manifest = ArtifactManifest(
        format=draft.format,
        task=source.task,
        traits=draft.traits,
        components=draft.components or source.manifest.components,
        files=_shared(folder, file_entries(folder, names), source),
        facts={**source.manifest.facts, **draft.facts},
        lineage=(*source.manifest.lineage, step),
    )
    for name, component in manifest.components.items():
        if component.file is not None and component.file not in manifest.files:
            raise PluginError(f"its component {name!r} names {component.file}, which is not there")
    return write_artifact(folder, manifest)


def read_artifact(path: Path, *, verify: bool = False) -> Artifact:
    """Read an artifact folder.

    Files are checked by size and modification time, and hashed only where the time differs
    (the folder was copied, say); with ``verify`` every file is hashed. All files lie in
    ``path``: a manifest with a ``location`` is for the program that has just made it, and is
    refused here, as one from a stranger could point anywhere. Raises `UserError` if ``path``
    is no artifact, `ArtifactCorrupt` if it is not what its manifest says.
    """
    file = path / MANIFEST
    refuse_endless(file)
    try:
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise ArtifactCorrupt(
                f"{file} is larger than {MAX_MANIFEST_BYTES >> 20} MiB", hint=AGAIN
            )
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path} is not an artifact: it has no {MANIFEST}",
            hint="Name a folder that hwcore wrote, such as the --out of `hwcore optimize`.",
        ) from None
    except OSError as error:
        raise UserError(
            f"{file} cannot be read: {error.strerror}",
            hint="Check that it is a file that you may read.",
        ) from error
    try:
        manifest = ArtifactManifest.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactCorrupt(f"{file}: {first_problem(error)}", hint=AGAIN) from None
    if manifest_digest(manifest) != manifest.digest:
        raise ArtifactCorrupt(
            f"{file} was edited: its digest does not match its content",
            hint="Make the artifact again; artifacts are never changed after they are written.",
        )
    if manifest.location is not None:
        raise ArtifactCorrupt(
            f"{file} refers to files in another folder, {manifest.location}",
            hint="Name that folder itself, if you trust what it holds.",
        )
    artifact = Artifact(path=path.absolute(), manifest=manifest)
    _check_files(artifact, verify)
    return artifact


def first_problem(error: ValidationError) -> str:
    """Where and what the first thing wrong with a JSON file is, in a few words."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _check_files(artifact: Artifact, verify: bool) -> None:
    root = artifact.path.resolve()
    for name, entry in artifact.manifest.files.items():
        file = root / name
        if not file.resolve().is_relative_to(root):
            raise ArtifactCorrupt(f"{artifact.path}: {name} leads out of the folder", hint=AGAIN)
        try:
            found = file.stat()
        except OSError:
            raise ArtifactCorrupt(f"{artifact.path}: {name} is missing", hint=AGAIN) from None
        changed = found.st_size != entry.size or not stat.S_ISREG(found.st_mode)
        if not changed and (verify or found.st_mtime_ns != entry.mtime_ns):
            changed = sha256_file(file) != entry.sha256
        if changed:
            raise ArtifactCorrupt(
                f"{artifact.path}: {name} is not the file that was written",
                hint="Make the artifact again, or restore the file.",
            )


def copy_artifact(artifact: Artifact, folder: Path) -> Artifact:
    """Write the artifact into ``folder``, which must be empty, as one that stands on its own.

    Files are copied, never linked: what a user does to theirs must not reach the cache, and
    onnx refuses weights in a file with a second name. Contents are verified on the way.
    """
    for name in artifact.manifest.files:
        destination = folder / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(artifact.root / name, destination)
    entries = file_entries(folder, artifact.manifest.files)
    for name, entry in artifact.manifest.files.items():
        if entries[name].sha256 != entry.sha256:
            raise ArtifactCorrupt(
                f"{artifact.path}: {name} is not the file that was written",
                hint="Restore the file, or make what it belongs to again.",
            )
        _fsync(folder / name)
    return write_artifact(
        folder, artifact.manifest.model_copy(update={"files": entries, "location": None})
    )


def _shared(folder: Path, made: dict[str, FileEntry], source: Artifact) -> dict[str, FileEntry]:
    """Files that a step left as they were become hard links to the source's, where links go.

    So the weights of a model that is only rewritten around them take their space once.
    """
    if source.manifest.location is not None:  # a user's own files, which may change
        return made
    twins = {entry.sha256: name for name, entry in source.manifest.files.items()}
    entries = dict(made)
    for name, entry in made.items():
        twin = twins.get(entry.sha256)
        if twin is None or entry.size < LINKED_BYTES:
            continue
        original = source.root / twin
        if original.stat().st_mtime_ns != source.manifest.files[twin].mtime_ns:
            continue  # not surely the content that was hashed
        link = folder / f".{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):  # another file system: the copy does as well
            link.hardlink_to(original)
            link.replace(folder / name)
            mtime_ns = (folder / name).stat().st_mtime_ns
            entries[name] = entry.model_copy(update={"mtime_ns": mtime_ns})
    return entries


def fsync_tree(folder: Path) -> None:
    """Make ``folder`` and those in it last, which is what holds their files' names."""
    for path in folder.rglob("*"):
        if path.is_dir():
            fsync_folder(path)
    fsync_folder(folder)


def fsync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` last, where the system can."""
    if os.name == "posix":
        _fsync(folder)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
