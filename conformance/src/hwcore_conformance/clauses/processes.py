"""PRC: a plugin among processes: its own, its host's, and those that it starts."""

from __future__ import annotations

from hwcore.contract import Cancelled, Capability, HwcoreError
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.comparing import agree
from hwcore_conformance.observing import observe, observed
from hwcore_conformance.repeating import repeated
from hwcore_conformance.subject import Subject, copies, names_of
from hwcore_conformance.watch import Seen
from hwcore_conformance.ways import Step

CLAUSES = Clauses()


@CLAUSES(
    "PRC-001",
    "A capability MUST do the same in the host's process and in a worker.",
    scope="row",
    mend="Depend on the arguments of the hook alone: not on the process, its name or its parent.",
)
def both_doors_are_one(subject: Subject, row: Capability) -> None:
    """Files of an artifact, or answers of a model, through each door."""
    source = subject.one(row)
    step, taken = Step(subject.name, row), subject.taken(row, source)
    if row.hook == "run":
        here = subject.answers(step, taken, source).cases
        steadiness = subject.steadiness(step, taken, source)
        with subject.worker(step, taken) as model:
            for case, answer in zip(source.cases, here, strict=True):
                agree(answer, model(copies(case.inputs)), "in a worker", steadiness)
        return
    target = subject.target(row)
    assert target is not None  # noqa: S101 - the row would not be checked
    one = subject.made(row, source)
    try:
        other = subject.again(step, taken, source, target, door="worker")
    except HwcoreError as error:
        raise Broken(f"in a worker: {error}") from error
    repeated(subject, row, source, one, other, "made in a worker")


@CLAUSES(
    "PRC-002",
    "Progress MUST go from 0 to 1, and never back.",
    scope="work",
    mend="Count all the work first: ctx.progress(done / all).",
)
def progress_grows(subject: Subject, row: Capability) -> Measured:
    """Every fraction that a plain call gives to ctx.progress."""
    fractions = observed(subject, row).notes.fractions
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise Broken(f"it says {max(fractions, key=abs):g}")
    if fractions != sorted(fractions):
        raise Broken(f"it goes back: {names_of([f'{f:g}' for f in fractions])}")
    return {"told": len(fractions)}


@CLAUSES(
    "PRC-003",
    "A capability that learns it is cancelled MUST raise Cancelled.",
    scope="work",
    mend="Raise hwcore.contract.Cancelled when ctx.cancelled() is true, and return no draft.",
)
def cancels(subject: Subject, row: Capability) -> Measured:
    """A plain call in which ctx.cancelled() is true from the start."""
    found = observe(subject, row, subject.one(row), cancelled=True)
    if not found.notes.asked:
        raise NotApplicable("it never asks, and is ended by its host")
    if not isinstance(found.error, Cancelled):
        what = f"raises {found.error!r}" if found.error is not None else "goes on to the end"
        raise Broken(f"told that it is cancelled, it {what}")
    return {"asked": found.notes.asked}


@CLAUSES(
    "PRC-004",
    "A capability MUST leave no process behind.",
    scope="row",
    mend="Wait for processes that were started, or end them: also when something goes wrong.",
)
def leaves_no_process(subject: Subject, row: Capability) -> None:
    """Children and orphans, a second after the first call and after a later one."""
    calls = _calls(subject, row)
    left = list(dict.fromkeys(command for seen in calls for command in seen.processes))
    if left:
        raise Broken(f"it leaves {names_of(left)}")


@CLAUSES(
    "PRC-005",
    "A capability MUST write nothing to standard output, which belongs to the program.",
    scope="row",
    mend="Use ctx.log; and silence libraries that print.",
)
def prints_nothing(subject: Subject, row: Capability) -> None:
    """Bytes that reach the stream in the first call, which imports libraries, and in a later one.

    Those of compiled code are seen, too.
    """
    for seen in _calls(subject, row):
        if seen.printed:
            raise Broken(f"it writes {seen.printed} bytes to standard output: {seen.said!r}")


def _calls(subject: Subject, row: Capability) -> tuple[Seen, Seen]:
    """What two calls did beside their work: the first that was made here, and a plain one."""
    found = observed(subject, row)
    if found.error is not None:
        raise Untestable(f"it does not work: {found.error}")
    return subject.first(row), found.seen
