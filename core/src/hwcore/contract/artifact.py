"""An artifact: a model in one format on disk, and where it came from."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from hwcore.contract.base import Name, Options, Value, WorkHook
from hwcore.contract.errors import ArtifactCorrupt
from hwcore.contract.signature import Signature
from hwcore.contract.traits import Traits


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    plain = name == str(path) and not set(name) & {"\\", ":", "\0"}
    if not plain or path.is_absolute() or ".." in path.parts or name in ("", "."):
        raise ValueError(f"file name {name!r} leaves the artifact's folder")
    return name


RelativePath = Annotated[str, AfterValidator(_inside)]
"""A POSIX path that cannot leave its folder."""


class FileEntry(Value):
    """One file. ``mtime_ns`` is what it had when it was hashed: if equal, no need to hash again."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    """Bytes."""
    mtime_ns: int = 0


class Component(Value):
    """One callable part: a causal LM has one, an encoder-decoder has several."""

    signature: Signature
    file: RelativePath | None = None
    """The file an engine opens for it; ``None`` when the format is the whole folder."""


class LineageStep(Value):
    """One step of an artifact's history: enough to do it again."""

    hook: WorkHook
    plugin: Name
    version: str
    capability: Name
    options: Options = Field(default_factory=dict)
    target: str = ""
    """Fingerprint of the target it was made for."""
    seed: int = 0
    dataset: str | None = None
    """Digest of the dataset it read."""
    parent: str = ""
    """Digest of the artifact it was made from."""
    libraries: dict[str, str] = Field(default_factory=dict)


class ArtifactManifest(Value):
    """``artifact.json``."""

    schema_version: Literal[1] = 1
    format: Name
    task: str
    traits: Traits = Traits()
    components: dict[str, Component]
    files: dict[RelativePath, FileEntry]
    location: str | None = None
    """Absolute folder of the files when they are a user's own; ``None`` when they lie beside."""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """Claims of the producing steps: ``bits_per_weight``, ``parameters``, ``ops_quantized`` …"""
    lineage: tuple[LineageStep, ...] = ()
    digest: str = ""
    """sha256 over content, without times or places."""


class Draft(Value):
    """What a work hook returns: a description of the files that it has put into ``out``.

    The core hashes the files, writes ``artifact.json`` and moves the folder into place; a
    plugin never does. A component or fact left out is inherited from the source.
    """

    format: Name
    traits: Traits = Traits()
    components: dict[str, Component] = Field(default_factory=dict)
    facts: dict[str, JsonValue] = Field(default_factory=dict)


class Artifact(Value):
    """A folder and its manifest. Never changed after it is written."""

    path: Path
    manifest: ArtifactManifest

    @property
    def root(self) -> Path:
        """Folder of the files: the artifact's own, or the user's that it refers to."""
        return Path(self.manifest.location) if self.manifest.location else self.path

    @property
    def format(self) -> str:
        return self.manifest.format

    @property
    def traits(self) -> Traits:
        return self.manifest.traits

    @property
    def task(self) -> str:
        return self.manifest.task

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(entry.size for entry in self.manifest.files.values())

    def component(self, name: str = "model") -> Component:
        """The component of that name. Raises `ArtifactCorrupt` if there is none."""
        try:
            return self.manifest.components[name]
        except KeyError:
            known = ", ".join(self.manifest.components)
            raise ArtifactCorrupt(
                f"{self.path}: no component {name!r}, only {known}",
                hint="Make the artifact again, or name one of these components.",
            ) from None

    def component_file(self, name: str = "model") -> Path:
        """The file an engine opens for a component. Raises `ArtifactCorrupt` if it names none."""
        file = self.component(name).file
        if file is None:
            raise ArtifactCorrupt(
                f"{self.path}: component {name!r} names no file", hint="Make the artifact again."
            )
        return self.root / file
