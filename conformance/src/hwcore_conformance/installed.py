"""What was checked: the distribution as it is installed, and the wheel that it came from."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import lzma
import tomllib
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import importlib_metadata
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from hwcore.artifacts import sha256_file
from hwcore.contract import ENTRY_POINT_GROUP, UserError, Value
from hwcore.host import PluginRecord
from hwcore_conformance.required import Row
from hwcore_conformance.states import Said
from hwcore_conformance.text import clean

_CHUNK = 1 << 20
_MANIFEST = "hwcore-plugin.toml"
_LARGEST = 1 << 20
"""Bytes of a text in a wheel that is read."""
_DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,  # encrypted, or compressed in a way that is not known here
    UnicodeDecodeError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an archive raises that is not as archives are."""
_OF_PIP = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
"""What an installer adds to ``*.dist-info``."""


class Wheel(Value):
    """A wheel by name and content."""

    name: Said
    sha256: Said


class Installed(NamedTuple):
    """How the plugin's distribution lies here."""

    editable: bool
    record_sha256: str | None
    """Digest of its ``RECORD``, which has the digest of every file; ``None`` where there is none,
    as for what is only on the path."""


def installed(record: PluginRecord) -> Installed:
    """Read from the distribution's metadata."""
    distribution = importlib_metadata.distribution(record.distribution)
    listed = distribution.read_text("RECORD")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    editable = bool(origin.get("dir_info", {}).get("editable"))
    digest = hashlib.sha256(listed.encode()).hexdigest() if listed else None
    return Installed(editable, digest)


def refuse_unfit(record: PluginRecord) -> None:
    """Raise `UserError` unless a wheel is installed, and its files are as its RECORD says."""
    here = installed(record)
    hint = f"pip install the wheel of {record.distribution} that is to be certified."
    if here.editable:
        raise UserError(
            f"{record.distribution} is installed as editable: what was checked could be edited",
            hint=hint,
        )
    if here.record_sha256 is None:
        raise UserError(f"{record.distribution} was not installed from a wheel", hint=hint)
    root, listed = _root(record), dict(_listed(record))
    for place, digest in listed.items():
        path = root / place
        if digest and not (path.is_file() and digest == _encoded(path)):
            raise UserError(
                f"{clean(place)} of {record.distribution} is not what was installed",
                hint="Install it again: pip install --force-reinstall --no-deps.",
            )
    for place in _beside(root, listed):
        raise UserError(
            f"{clean(place)} lies among the files of {record.distribution}, and was not installed "
            "with them",
            hint="Remove it, or certify in a fresh environment.",
        )


def compared(wheel: Path, record: PluginRecord) -> Wheel:
    """The wheel, if it is what is installed: the same files with the same content.

    Raises `UserError`. Scripts are left out, which installers write anew.
    """
    with opened(wheel) as archive:
        name, version = _parsed(wheel)
        mine = canonicalize_name(record.distribution), record.version
        if (name, version) != mine:
            raise UserError(
                f"{wheel.name} is {name} {version}, and {mine[0]} {mine[1]} is installed",
                hint="Name the wheel that was installed.",
            )
        root = _root(record)
        brought = set()
        for entry, place in _files(archive):
            brought.add(place)
            path = root / place
            same = path.is_file() and path.stat().st_size == entry.file_size
            if not same or _digest(archive.open(entry)) != sha256_file(path):
                raise _unlike(wheel, place)
        for place, _ in _listed(record):
            if place not in brought and not _added(place):
                raise _unlike(wheel, place)
        for place in _beside(root, brought):
            raise _unlike(wheel, place)
    return Wheel(name=wheel.name, sha256=sha256_file(wheel))


class Named(NamedTuple):
    """What a wheel says that it is."""

    distribution: str
    version: str
    plugins: tuple[str, ...]
    """Names of its entry points in the group of plugins."""


def named_in(wheel: Path) -> Named:
    """Read from a wheel's metadata. Raises `UserError` for what is no wheel."""
    with opened(wheel) as archive:
        folders = [p for p in zipfile.Path(archive).iterdir() if p.name.endswith(".dist-info")]
        if len(folders) != 1 or not (folders[0] / "METADATA").is_file():
            raise UserError(
                f"{wheel} has no metadata",
                hint="Name a file that ends in .whl, as `python -m build` makes it.",
            )
        distribution = importlib_metadata.PathDistribution(folders[0])  # type: ignore[arg-type]
        plugins = distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        return Named(
            distribution.metadata.get("Name", ""),
            distribution.metadata.get("Version", ""),
            tuple(point.name for point in plugins),
        )


def rows_of(wheel: Path) -> tuple[Row, ...] | None:
    """The capabilities of the manifest in a wheel; ``None`` where it has none, or several.

    Raises `UserError` for what is no wheel.
    """
    with opened(wheel) as archive:
        manifests = [e for e in archive.infolist() if e.filename.endswith(f"/{_MANIFEST}")]
        if len(manifests) != 1 or manifests[0].file_size > _LARGEST:
            return None
        try:
            content = tomllib.loads(archive.read(manifests[0]).decode())
            return tuple(
                Row(id=row["id"], hook=row["hook"], summary=row.get("summary", ""))
                for row in content["capabilities"]
            )
        except (ValueError, KeyError, TypeError):
            return None


@contextmanager
def opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel as an archive. Raises `UserError`, for what is found while it is read, too."""
    hint = "Name a file that ends in .whl, as `python -m build` makes it."
    if not wheel.is_file():
        raise UserError(f"there is no file {wheel}", hint=hint)
    _parsed(wheel)
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except _DAMAGED as error:
        why = clean(str(error)) or type(error).__name__
        raise UserError(f"{wheel} cannot be read as a wheel: {why}", hint=hint) from error


def _root(record: PluginRecord) -> Path:
    """The folder that the places in RECORD are relative to."""
    return Path(str(importlib_metadata.distribution(record.distribution).locate_file("")))


def _listed(record: PluginRecord) -> Iterator[tuple[str, str]]:
    """Places and digests in the installed RECORD; those without a digest have an empty one.

    Not by way of ``Distribution.files``, which leaves out what is not there.
    """
    text = importlib_metadata.distribution(record.distribution).read_text("RECORD") or ""
    for row in csv.reader(text.splitlines()):
        if len(row) == 3:  # as the format has it: place, digest, size
            yield row[0], row[1]


def _parsed(wheel: Path) -> tuple[str, str]:
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise UserError(
            f"{wheel.name} is no name of a wheel", hint="Leave it as the build gave it."
        ) from error
    return name, str(version)


def _files(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """The files of a wheel that are installed as they are, with their places."""
    for entry in archive.infolist():
        parts = entry.filename.split("/")
        if entry.is_dir() or parts[-1] == "RECORD":
            continue
        if not parts[0].endswith(".data"):
            yield entry, entry.filename
        elif len(parts) > 2 and parts[1] in ("purelib", "platlib"):
            yield entry, "/".join(parts[2:])


def _is_info(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith((".dist-info/METADATA", ".dist-info/entry_points.txt"))


def _beside(root: Path, places: Collection[str]) -> Iterator[str]:
    """Files that lie where the distribution's do, and are not among ``places``.

    They are what its modules could import, or what is imported in their stead. Bytecode in
    ``__pycache__`` is left out: a certified run does not use it.
    """
    firsts = {place.partition("/")[0] for place in places}
    modules = {first.partition(".")[0] for first in firsts if not first.endswith(".dist-info")}
    for path in root.iterdir():
        if path.name.partition(".")[0] in modules and path.name not in firsts:
            yield path.name  # what is called like one of its modules
    folders = {Path(place).parent for place in places} - {Path()}
    for folder in sorted(folders):
        if not folders.isdisjoint(folder.parents) or folder.parts[0] == "..":
            continue  # seen with the one above it, or of programs
        for path in sorted((root / folder).rglob("*")):
            place = path.relative_to(root).as_posix()
            is_file = path.is_symlink() or not path.is_dir()
            if is_file and place not in places and not _added(place):
                yield place


def _added(place: str) -> bool:
    """True for what installing adds to a wheel's files."""
    parts = place.split("/")
    info = parts[0].endswith(".dist-info") and parts[-1] in _OF_PIP
    return info or "__pycache__" in parts or parts[0] == ".."


def _unlike(wheel: Path, place: str) -> UserError:
    return UserError(
        f"{clean(place)} is not installed as it is in {wheel.name}",
        hint="Install that wheel, and run again: pip install --force-reinstall --no-deps.",
    )


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    with stream:
        while part := stream.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()


def _encoded(path: Path) -> str:
    """A file's digest as RECORD has it, in base64 without padding."""
    raw = bytes.fromhex(sha256_file(path))
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
