"""Cases on disk: an artifact each, and its arrays beside it.

The process that runs them reads no ONNX: a plugin is alone there with the core.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hwcore.artifacts import read_artifact, sha256_file, write_artifact
from hwcore.contract import Array, Artifact, ArtifactManifest, Component, FileEntry, Traits
from hwcore.data import numpy_dtype
from hwcore_conformance.operators.cases import Call, Case

FORMAT = "onnx"
TASK = "operator"
"""What stands where artifacts of models have their task."""
_FILE = "model.onnx"


class Stored(NamedTuple):
    """A case as it is read back."""

    artifact: Artifact
    calls: tuple[Call, ...]
    rtol: float
    atol: float


def store(case: Case, root: Path) -> None:
    """Write a case below ``root``."""
    name = case.subject.name
    folder = root / name
    folder.mkdir(parents=True)
    file = folder / _FILE
    file.write_bytes(case.model)
    stat = file.stat()
    entry = FileEntry(sha256=sha256_file(file), size=stat.st_size, mtime_ns=stat.st_mtime_ns)
    write_artifact(
        folder,
        ArtifactManifest(
            format=FORMAT,
            task=TASK,
            traits=Traits(op_domains=case.op_domains),
            components={"model": Component(signature=case.signature, file=_FILE)},
            files={_FILE: entry},
        ),
    )
    arrays = [array for call in case.calls for side in call for array in side.values()]
    (root / f"{name}.arrays").write_bytes(b"".join(array.tobytes() for array in arrays))
    calls = [[_described(side) for side in call] for call in case.calls]
    (root / f"{name}.json").write_text(
        json.dumps({"rtol": case.rtol, "atol": case.atol, "calls": calls}), "utf-8"
    )


def read(name: str, root: Path) -> Stored:
    """Read a case that was stored. Its arrays may be written to."""
    described = json.loads((root / f"{name}.json").read_text("utf-8"))
    memory = bytearray((root / f"{name}.arrays").read_bytes())
    calls, place = [], 0
    for sides in described["calls"]:
        made: list[dict[str, Array]] = []
        for side in sides:
            arrays: dict[str, Array] = {}
            for array_name, dtype_name, shape in side:
                dtype, count = numpy_dtype(dtype_name), int(np.prod(shape, dtype=np.int64))
                # A copy: memory of its own is aligned.
                flat = np.frombuffer(memory, dtype, count, place) if count else np.empty(0, dtype)
                arrays[array_name] = flat.reshape(shape).copy()
                place += flat.nbytes
            made.append(arrays)
        calls.append(Call(*made))
    return Stored(read_artifact(root / name), tuple(calls), described["rtol"], described["atol"])


def _described(arrays: dict[str, Array]) -> list[list[Any]]:
    return [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
