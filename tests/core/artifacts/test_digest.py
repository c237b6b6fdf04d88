"""Digests: what they see, and what they are blind to."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import parts
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwcore.artifacts import manifest_digest, read_artifact, sha256_file, sha256_json
from hwcore.artifacts.digest import file_entries
from hwcore.contract import (
    ArtifactManifest,
    Component,
    Dim,
    FileEntry,
    LineageStep,
    Sparsity,
    TensorSpec,
    Traits,
)

quick = settings(deadline=None, max_examples=60)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    leaves | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(texts, values, min_size=1, max_size=4)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@quick
@given(value=objects)
def test_a_json_digest_is_stable_under_key_order(value: dict[str, Any]) -> None:
    assert sha256_json(reversed_keys(value)) == sha256_json(value)


@quick
@given(value=objects, other=values, data=st.data())
def test_a_json_digest_changes_with_every_entry(
    value: dict[str, Any], other: Any, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    # Python's 0 == 0.0 == False are three different JSON values.
    assume(repr(reversed_keys(other)) != repr(reversed_keys(value[key])) and other != value[key])
    assert sha256_json({**value, key: other}) != sha256_json(value)
    assert sha256_json({k: v for k, v in value.items() if k != key}) != sha256_json(value)


def test_a_json_digest_does_not_run_entries_together() -> None:
    distinct = [["ab", "c"], ["a", "bc"], ["abc"], "abc", {"ab": "c"}, {"a": "bc"}, 1, 1.0, "1"]
    assert len({sha256_json(value) for value in distinct}) == len(distinct)


@quick
@given(content=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_file_digest_sees_every_bit(content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(content)
    flipped[place] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        file.write_bytes(content)
        assert sha256_file(file) == hashlib.sha256(content).hexdigest()
        file.write_bytes(flipped)
        assert sha256_file(file) != hashlib.sha256(content).hexdigest()


def test_entries_are_in_order_and_complete(tmp_path: Path) -> None:
    files = {f"part-{number}": bytes([number]) * number for number in (9, 2, 5)}
    parts.write_files(tmp_path, files)
    entries = file_entries(tmp_path, files)
    assert list(entries) == ["part-2", "part-5", "part-9"]
    for name, entry in entries.items():
        assert entry.sha256 == hashlib.sha256(files[name]).hexdigest()
        assert entry.size == len(files[name])
        assert entry.mtime_ns == (tmp_path / name).stat().st_mtime_ns


def test_a_stop_does_not_wait_for_the_rest_of_a_file(tmp_path: Path) -> None:
    """Gigabytes are being hashed, in threads that the pool waits for."""
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(32 << 30)  # sparse

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    began = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            file_entries(tmp_path, ["large"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 3


MANIFEST = ArtifactManifest(
    format="onnx",
    task="text-classification",
    components={"model": Component(signature=parts.text_signature(), file="model.onnx")},
    files={"model.onnx": FileEntry(sha256="0" * 64, size=7, mtime_ns=11)},
    facts={"parameters": 22},
    lineage=(parts.step(parent="ba5e"), parts.step(hook="compile")),
)

WIDER = parts.text_signature(outputs=3)
LONGER = parts.text_signature(most=65)
RENAMED = parts.text_signature().model_copy(
    update={"outputs": (TensorSpec(name="scores", dtype="float32", shape=("batch", 2)),)}
)


def component(signature: Any, file: str = "model.onnx") -> dict[str, Any]:
    return {"components": {"model": Component(signature=signature, file=file)}}


def entry(name: str = "model.onnx", **changes: Any) -> dict[str, Any]:
    return {"files": {name: MANIFEST.files["model.onnx"].model_copy(update=changes)}}


SEEN: dict[str, dict[str, Any]] = {
    "schema_version": {"schema_version": 2},
    "format": {"format": "onnx2"},
    "task": {"task": "feature-extraction"},
    "traits": {"traits": Traits(quantization="int8-static")},
    "traits.sparsity": {"traits": Traits(sparsity=Sparsity(pattern="2:4", share=0.5))},
    "traits.bound_to": {"traits": Traits(bound_to="00ff")},
    "components": {"components": {}},
    "components.name": {"components": {"encoder": MANIFEST.components["model"]}},
    "components.file": component(parts.text_signature(), "other.onnx"),
    "components.signature.shape": component(WIDER),
    "components.signature.dims": component(LONGER),
    "components.signature.name": component(RENAMED),
    "components.signature.dim.multiple_of": component(
        parts.text_signature().model_copy(
            update={"dims": (Dim(name="batch"), Dim(name="sequence", max=64, multiple_of=2))}
        )
    ),
    "files": {"files": {}},
    "files.name": entry("other.onnx"),
    "files.sha256": entry(sha256="1" * 64),
    "files.size": entry(size=8),
    "facts": {"facts": {"parameters": 23}},
    "lineage": {"lineage": MANIFEST.lineage[:1]},
    "lineage.order": {"lineage": MANIFEST.lineage[::-1]},
    "lineage.parent": {"lineage": (parts.step(parent="ba5f"), MANIFEST.lineage[1])},
}

BLIND: dict[str, dict[str, Any]] = {
    "digest": {"digest": "d16e57"},
    "location": {"location": "/home/someone/model"},
    "files.mtime_ns": entry(mtime_ns=12),
}


@pytest.mark.parametrize("change", SEEN)
def test_a_manifest_digest_sees(change: str) -> None:
    assert manifest_digest(MANIFEST.model_copy(update=SEEN[change])) != manifest_digest(MANIFEST)


@pytest.mark.parametrize("change", BLIND)
def test_a_manifest_digest_is_blind_to_times_and_places(change: str) -> None:
    assert manifest_digest(MANIFEST.model_copy(update=BLIND[change])) == manifest_digest(MANIFEST)


def test_nothing_of_a_manifest_was_forgotten_above() -> None:
    fields = set(ArtifactManifest.model_fields)
    assert fields == {change.split(".")[0] for change in (*SEEN, *BLIND)}
    files = {f"files.{name}" for name in FileEntry.model_fields}
    assert files <= {*SEEN, *BLIND}


@pytest.mark.parametrize("field", LineageStep.model_fields)
def test_a_manifest_digest_sees_every_field_of_a_step(field: str) -> None:
    changed = parts.step(**{field: OTHER_STEP[field]})
    assert getattr(changed, field) != getattr(parts.step(), field)
    with_step = MANIFEST.model_copy(update={"lineage": (parts.step(),)})
    with_other = MANIFEST.model_copy(update={"lineage": (changed,)})
    assert manifest_digest(with_step) != manifest_digest(with_other)


OTHER_STEP: dict[str, Any] = {
    "hook": "compile",
    "plugin": "other",
    "version": "1.0.1",
    "capability": "int4",
    "options": {"group": 32},
    "target": "00ff",
    "seed": 1,
    "dataset": "da7a",
    "parent": "ba5e",
    "libraries": {"acme-lib": "2"},
}


contents = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=20), max_size=3
)


@quick
@given(facts=objects, content=contents)
def test_what_is_written_is_read_again(facts: dict[str, Any], content: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = parts.artifact(Path(folder), content, facts=facts)
        assert written.digest == manifest_digest(written.manifest)
        again = read_artifact(Path(folder), verify=True)
        assert again.digest == written.digest
        assert again.manifest.model_dump_json() == written.manifest.model_dump_json()


def test_equal_content_has_one_digest_wherever_and_whenever(tmp_path: Path) -> None:
    here = parts.artifact(tmp_path / "here")
    there = parts.artifact(tmp_path / "there", users=tmp_path / "users")
    os.utime(tmp_path / "here" / "model.bin", (1, 1))
    later = parts.artifact(tmp_path / "here")
    assert here.digest == there.digest == later.digest
