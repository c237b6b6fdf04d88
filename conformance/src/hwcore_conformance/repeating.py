"""Whether a capability made the same thing twice."""

from __future__ import annotations

from hwcore.artifacts import copy_artifact
from hwcore.contract import Artifact, Capability
from hwcore_conformance.clause import Broken, Untestable
from hwcore_conformance.comparing import agree, at
from hwcore_conformance.observing import Observation, observe
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Subject, names_of
from hwcore_conformance.ways import Step


def artifact_of(subject: Subject, row: Capability, found: Observation) -> Artifact:
    """What a plain call has made, sealed. Raises `Untestable` where it made nothing."""
    if found.draft is None:
        raise Untestable(f"it makes nothing: {found.error}")
    target, step = subject.target(row), Step(subject.name, row)
    assert target is not None  # noqa: S101 - the row would not be checked
    return subject.sealed(step, found.draft, found.taken, found.out, target)


def differing(first: Artifact, second: Artifact) -> list[str]:
    """Names of files that are not the same in both, byte by byte."""
    files = [{n: e.sha256 for n, e in a.manifest.files.items()} for a in (first, second)]
    return sorted(
        n for n in files[0].keys() | files[1].keys() if files[0].get(n) != files[1].get(n)
    )


def varies(subject: Subject, row: Capability) -> list[str]:
    """Files that differ when the capability makes the same thing again, in another folder.

    Of a copy of what it was given, so that no path is the same.
    """

    def make() -> list[str]:
        moved, taken = moved_to(subject, row, "again")
        again = observe(subject, row, moved, artifact=taken)
        return differing(subject.made(row, subject.one(row)), artifact_of(subject, row, again))

    names: list[str] = subject.kept(("varies", row.id), make)
    return names


def moved_to(subject: Subject, row: Capability, name: str) -> tuple[Source, Artifact]:
    """A copy of a model, and one of what the capability is given for it, in such folders."""
    source = subject.one(row)
    taken, moved = subject.taken(row, source), subject.copy_of(source, name)
    if taken.root == source.artifact.root:
        return moved, moved.artifact
    return moved, copy_artifact(taken, subject.folder(name))


def repeated(
    subject: Subject, row: Capability, source: Source, first: Artifact, second: Artifact, how: str
) -> None:
    """Raise `Broken` unless both are the same.

    Files must be, byte by byte. A compiler's need not, which may order and place code anew: there
    it is the answers; and so where files differ each time, which is a clause of its own.
    """
    names = differing(first, second)
    if not names:
        return
    if row.hook != "compile" and not varies(subject, row):
        raise Broken(f"{how}, {names_of(names)} differs")
    same_answers(subject, row, source, first, second, how)


def same_answers(
    subject: Subject, row: Capability, source: Source, first: Artifact, second: Artifact, how: str
) -> None:
    """Raise `Broken` unless both answer the same."""
    steps = [subject.judge(row, artifact) for artifact in (first, second)]
    steadiness = subject.steadiness(steps[0], first, source)
    pairs = zip(steps, (first, second), strict=True)
    answers = [subject.answers(step, artifact, source).cases for step, artifact in pairs]
    for place, (one, other) in enumerate(zip(*answers, strict=True)):
        agree(one, other, f"{how}, {at(source, place)}", steadiness)
