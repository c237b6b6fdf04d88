"""CMP: an artifact that loads fast on one target."""

from __future__ import annotations

from hwcore.contract import Capability, HardwareUnavailable, HwcoreError
from hwcore_conformance import bare
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable
from hwcore_conformance.comparing import agree, as_another
from hwcore_conformance.subject import Subject, copies
from hwcore_conformance.tolerances import tolerance_for

CLAUSES = Clauses()
ELSEWHERE = "0123456789abcdef"
"""Fingerprint of a target that is not here."""


@CLAUSES(
    "CMP-001",
    "A compiled artifact MUST load in another process on the same target.",
    scope="compile",
    mend="Put all that running needs into `out`: nothing may stay behind in the process.",
)
def loads_in_a_fresh_process(subject: Subject, row: Capability) -> None:
    """A worker that has compiled nothing loads it and gives the same answer."""
    source = subject.one(row)
    artifact = subject.made(row, source)
    step = subject.judge(row, artifact)
    here = subject.answers(step, artifact, source).cases[0]
    steadiness = subject.steadiness(step, artifact, source)
    try:
        with subject.worker(step, artifact) as model:
            there = model(copies(source.cases[0].inputs))
    except HwcoreError as error:
        raise Broken(f"in a fresh process: {error}") from error
    agree(here, there, "in a fresh process", steadiness)


@CLAUSES(
    "CMP-002",
    "A lossless compilation MUST answer as what it was made of.",
    scope="compile",
    mend="Switch off what trades accuracy for speed, or declare the row lossy.",
)
def answers_as_its_source(subject: Subject, row: Capability) -> Measured:
    """Every architecture, on sizes unlike each other, and on padded rows."""
    if not row.lossless:
        raise NotApplicable("the row is lossy")
    worst = 0.0
    for source in subject.works_on(row):
        taken, made = subject.taken(row, source), subject.made(row, source)
        before = subject.answers(subject.judge(row, taken), taken, source)
        after = subject.answers(subject.judge(row, made), made, source)
        worst = max(worst, as_another(source, before, after, tolerance_for(made)))
    return {"max_error": worst}


@CLAUSES(
    "CMP-003",
    "An artifact that was compiled for other hardware MUST be refused with HardwareUnavailable.",
    scope="compile",
    mend="""Compare `artifact.traits.bound_to` with `target.fingerprint` in run, and raise
    hwcore.contract.HardwareUnavailable before the engine looks at the file.""",
)
def foreign_targets_are_refused(subject: Subject, row: Capability) -> None:
    """The compiled artifact, said to be bound to another target."""
    if row.output is None or not row.output.bound:
        raise NotApplicable("what it makes is not bound to a target")
    artifact = subject.made(row, subject.one(row))
    step = subject.judge(row, artifact)
    traits = artifact.traits.model_copy(update={"bound_to": ELSEWHERE})
    manifest = artifact.manifest.model_copy(update={"traits": traits})
    foreign = artifact.model_copy(update={"manifest": manifest})
    try:
        made = bare.hook(step.plugin, "run")(
            artifact=foreign,
            capability=step.row.id,
            options={},
            target=subject.target(step.row),
            ctx=bare.Notes(),
        )
    except HardwareUnavailable:
        return
    except Exception as error:
        raise Broken(
            f"one made for other hardware is refused with {type(error).__name__}: {error}"
        ) from error
    made.close()
    raise Broken("one made for other hardware is loaded")
