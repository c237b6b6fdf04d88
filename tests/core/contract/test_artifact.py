"""Artifacts as values: names that stay inside, components by name."""

from __future__ import annotations

from pathlib import Path

import parts
import pytest
from pydantic import ValidationError

from hwcore.contract import Artifact, ArtifactCorrupt, ArtifactManifest, Component, FileEntry

ENTRY = FileEntry(sha256="0" * 64, size=5)
SIGNATURE = parts.text_signature()


def manifest(**changes: object) -> ArtifactManifest:
    fields = {"format": "toy", "task": "t", "components": {}, "files": {}}
    return ArtifactManifest.model_validate(fields | changes)


@pytest.mark.parametrize("name", ["model.onnx", "sub/model.onnx", "..model", "a..b/c", "a b", "é"])
def test_names_inside_the_folder(name: str) -> None:
    assert list(manifest(files={name: ENTRY}).files) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../model",
        "sub/../../model",
        "/etc/passwd",
        "//server/share",
        "..\\model",
        "sub\\model",
        "C:/model",
        "C:model",
        "sub//model",
        "./model",
        "model/",
        "mod\0el",
    ],
)
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="leaves the artifact's folder"):
        manifest(files={name: ENTRY})
    with pytest.raises(ValidationError, match="leaves the artifact's folder"):
        Component(signature=SIGNATURE, file=name)


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_a_file_has_a_whole_sha256(digest: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        FileEntry(sha256=digest, size=1)


def test_a_later_schema_is_refused() -> None:
    with pytest.raises(ValidationError, match="schema_version"):
        manifest(schema_version=2)


def test_components_and_their_files() -> None:
    components = {
        "encoder": Component(signature=SIGNATURE, file="encoder.onnx"),
        "decoder": Component(signature=SIGNATURE),
    }
    artifact = Artifact(
        path=Path("/models/one"),
        manifest=manifest(components=components, files={"encoder.onnx": ENTRY, "b": ENTRY}),
    )
    assert artifact.component("encoder").signature == SIGNATURE
    assert artifact.component_file("encoder") == Path("/models/one/encoder.onnx")
    assert artifact.size_bytes == 10
    with pytest.raises(ArtifactCorrupt, match="no component 'model', only encoder, decoder"):
        artifact.component()
    with pytest.raises(ArtifactCorrupt, match="component 'decoder' names no file"):
        artifact.component_file("decoder")


def test_a_users_folder_is_the_root_of_what_refers_to_it() -> None:
    component = {"model": Component(signature=SIGNATURE, file="model.bin")}
    artifact = Artifact(
        path=Path("/cache/one"), manifest=manifest(location="/home/model", components=component)
    )
    assert artifact.root == Path("/home/model")
    assert artifact.component_file() == Path("/home/model/model.bin")
