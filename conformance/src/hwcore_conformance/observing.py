"""One call of a hook, alone, with everything that it does beside its work looked at."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwcore.contract import Artifact, Capability, Draft, Options
from hwcore_conformance import bare
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Subject, contents, copies
from hwcore_conformance.watch import Seen, watching


@dataclass(frozen=True)
class Observation:
    """What came of a call, and what it did beside."""

    seen: Seen
    notes: bare.Notes
    error: Exception | SystemExit | None
    """What it raised, of whatever class."""
    draft: Draft | None
    files: dict[str, str]
    """sha256 of what it left in ``out``, by path; empty for a run hook."""
    out: Path
    source: Source
    taken: Artifact
    """What it was given."""
    returned: float
    """When it did, by `time.monotonic`."""


def observed(subject: Subject, row: Capability) -> Observation:
    """A normal call of a capability, made once: of ``run``, with a call of what it loaded."""

    def make() -> Observation:
        return observe(subject, row, subject.one(row))

    found: Observation = subject.kept(("observed", row.id), make)
    return found


def observe(
    subject: Subject,
    row: Capability,
    source: Source,
    *,
    artifact: Artifact | None = None,
    options: Options | None = None,
    out: Path | None = None,
    cancelled: bool = False,
    largest_file: int | None = None,
) -> Observation:
    """Call a capability with nothing around it.

    ``cancelled`` is what the plugin is told when it asks; with ``largest_file``, writing more
    bytes than that to a file fails, as on a full disk.
    """
    taken = subject.taken(row, source) if artifact is None else artifact
    made = subject.folder(f"observed-{row.id}") if out is None else out
    data = subject.data(source) if row.data is not None else None
    notes = bare.Notes(seed=subject.seed, data=data, source=taken, cancelled=cancelled)
    arguments: dict[str, Any] = {
        "capability": row.id,
        "options": options or {},
        "target": subject.target(row),
        "ctx": notes,
    }
    if row.hook == "run":
        arguments["artifact"] = taken
    else:
        reference = source.artifact
        arguments |= {"source": taken, "data": data, "reference": reference, "out": made}
    subject.beat(f"{row.hook} {row.id} alone on {source.model.name}")
    room = subject.workspace
    temporary = room / "tmp"
    compared = [room / "home", temporary, room / "here"]
    error: Exception | SystemExit | None = None
    result = None
    # What an earlier call writes late, into the folder it was given, is not this one's.
    with watching([*subject.given, made, temporary], compared) as seen, _files_up_to(largest_file):
        try:
            result = bare.hook(subject.name, row.hook)(**arguments)
            if row.hook == "run":
                result(copies(source.cases[0].inputs))
                result.close()
        except (Exception, SystemExit) as problem:  # whatever it is, it is looked at
            error = problem
    returned = time.monotonic()
    draft = result if isinstance(result, Draft) else None
    files = contents(made)
    return Observation(seen, notes, error, draft, files, made, source, taken, returned)


@contextmanager
def _files_up_to(size: int | None) -> Iterator[None]:
    if size is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores SIGXFSZ: EFBIG
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
