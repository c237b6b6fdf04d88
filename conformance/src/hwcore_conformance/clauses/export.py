"""EXP: from a transformers model to a graph."""

from __future__ import annotations

from hwcore.contract import Capability, Dim, HwcoreError
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable
from hwcore_conformance.comparing import (
    as_transformers,
    padding_as_alone,
    roughly_as_transformers,
)
from hwcore_conformance.models import LENGTHS
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Answers, Subject
from hwcore_conformance.tolerances import tolerance_for

CLAUSES = Clauses()


@CLAUSES(
    "EXP-001",
    "An export MUST leave every dimension as open as its source has it.",
    scope="export",
    mend="""Export with dynamic axes, and copy the source's signature. Fixing shapes is work for
    compile.""",
)
def dimensions_stay_open(subject: Subject, row: Capability) -> None:
    """Least, largest and multiple of each dimension of every model."""
    for source in subject.works_on(row):
        before = subject.taken(row, source).component().signature
        after = subject.made(row, source).component().signature
        kept = {dim.name: dim for dim in after.dims}
        for dim in before.dims:
            if kept.get(dim.name) != dim:
                now = _words(kept[dim.name]) if dim.name in kept else "fixed, or has another name"
                raise Broken(f"{source.model.name}: {dim.name} was {_words(dim)}, and is {now}")


@CLAUSES(
    "EXP-002",
    "An export MUST answer as transformers does: a lossy one within the scheme's tolerance.",
    scope="export",
    mend="""Compare layer by layer. Sizes that were traced as constants show up at other sizes;
    masks and position ids are next.""",
)
def answers_as_transformers(subject: Subject, row: Capability) -> Measured:
    """Every architecture, by the format's reference runner: on sizes unlike each other, and where
    row or runner is lossy, on rows of data."""
    worst = 0.0
    for source in subject.works_on(row):
        artifact = subject.made(row, source)
        lossless = row.lossless and subject.judge(row, artifact).row.lossless
        allowed = tolerance_for(artifact, lossless=lossless)
        compare = as_transformers if lossless else roughly_as_transformers
        try:
            found = _answers(subject, row, source)
        except HwcoreError as error:
            raise Broken(f"{source.model.name}: what it makes cannot be run: {error}") from error
        worst = max(worst, compare(source, found, allowed))
    return {"error": worst}


@CLAUSES(
    "EXP-003",
    "An export MUST answer a padded row as the row without padding.",
    scope="export",
    mend="Apply the attention mask in every layer, and count positions without padding.",
)
def padding_does_not_leak(subject: Subject, row: Capability) -> Measured:
    """Rows of several lengths in one batch, against each row alone, both of the export."""
    worst, padded = 0.0, False
    for source in subject.works_on(row):
        if source.padded is None:
            continue
        padded = True
        artifact = subject.made(row, source)
        allowed = tolerance_for(artifact, lossless=row.lossless)
        model = subject.model(subject.judge(row, artifact), artifact)
        alone = [
            model({n: a[place : place + 1, :length] for n, a in source.padded.inputs.items()})
            for place, length in enumerate(LENGTHS)
        ]
        found = _answers(subject, row, source)
        worst = max(worst, padding_as_alone(source, alone, found, allowed))
    if not padded:
        raise NotApplicable("none of the models that it takes has a mask")
    return {"max_error": worst}


def _words(dim: Dim) -> str:
    most = dim.max if dim.max is not None else "any size"
    steps = f" in steps of {dim.multiple_of}" if dim.multiple_of > 1 else ""
    return f"{dim.min} to {most}{steps}"


def _answers(subject: Subject, row: Capability, source: Source) -> Answers:
    artifact = subject.made(row, source)
    return subject.answers(subject.judge(row, artifact), artifact, source)
