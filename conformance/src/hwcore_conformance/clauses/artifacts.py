"""ART: what every capability that makes artifacts owes to those who use them."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import psutil

from hwcore.artifacts import copy_artifact
from hwcore.contract import Artifact, Capability, HwcoreError, PluginError, UserError
from hwcore.host import Limits, PluginHost, check_draft
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.comparing import agree, all_finite, as_transformers, roughly_as_transformers
from hwcore_conformance.observing import observe, observed
from hwcore_conformance.repeating import artifact_of, moved_to, repeated, same_answers, varies
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import (
    CALL_SECONDS,
    Subject,
    contents,
    copies,
    names_of,
)
from hwcore_conformance.tolerances import tolerance_for
from hwcore_conformance.ways import NoWay, Step

CLAUSES = Clauses()
SETTLE_SECONDS = 0.5
"""How long files are looked at after a hook has returned."""


@CLAUSES(
    "ART-001",
    """A capability MUST make an artifact of every model that its row says it takes, or refuse it
    with a UserError.""",
    scope="work",
    fatal=True,
    mend="""Make it, narrow `inputs` and `tasks` of the row, or look at the config first and raise
    hwcore.contract.UserError.""",
)
def makes_or_refuses(subject: Subject, row: Capability) -> Measured:
    """Every architecture that comes this far; not all may be refused."""
    made, refused = [], {}
    for source in subject.sources(row):
        try:
            subject.made(row, source)
        except UserError as error:
            refused[source.model.name] = str(error)
        except HwcoreError as error:
            if observe(subject, row, source).draft is not None:
                raise Untestable(f"{source.model.name}: its draft is wrong: {error}") from error
            raise Broken(f"{source.model.name}: {error}") from error
        else:
            made.append(source.model.name)
    if not made:
        raise Broken(f"it refuses every model: {next(iter(refused.values()))}")
    return {"models": made, "refused": sorted(refused)}


@CLAUSES(
    "ART-002",
    "An artifact MUST take and give what its source does: the same names, dtypes and ranks.",
    scope="work",
    mend="Copy the source's signature into the draft, or leave the component out of the draft.",
)
def signature_is_kept(subject: Subject, row: Capability) -> None:
    """Inputs and outputs of each component."""
    for source in subject.works_on(row):
        before = subject.taken(row, source).manifest.components
        after = subject.made(row, source).manifest.components
        for name, component in before.items():
            if name not in after:
                raise Broken(f"{source.model.name}: the component {name!r} is gone")
            for kind in ("inputs", "outputs"):
                was, now = (
                    [(s.name, s.dtype, len(s.shape)) for s in getattr(c.signature, kind)]
                    for c in (component, after[name])
                )
                if was != now:
                    raise Broken(f"{source.model.name}: its {kind} were {was}, and are {now}")


@CLAUSES(
    "ART-003",
    "A draft MUST agree with what its row promises, and with the files that were written.",
    scope="work",
    mend="""Compare `output` of the row with the draft's format and traits, and the files of its
    components with what is in `out`.""",
)
def draft_is_as_promised(subject: Subject, row: Capability) -> None:
    """The first draft that a plain call gives, against the manifest and as a host seals it."""
    target = subject.target(row)
    assert target is not None  # noqa: S101 - the row would not be checked
    for source in subject.sources(row):
        found = observe(subject, row, source)
        if found.draft is not None:
            break
    else:
        raise Untestable(f"it gives no draft: {found.error}")
    try:
        check_draft(found.draft, row, found.taken, target)
        artifact_of(subject, row, found)
    except PluginError as error:
        raise Broken(error.reason) from error


@CLAUSES(
    "ART-004",
    "An artifact MUST stand alone: copied elsewhere, with its source gone, it answers the same.",
    scope="work",
    mend="Write all that is needed into `out`, and refer to it by names relative to that.",
)
def stands_alone(subject: Subject, row: Capability) -> None:
    """The folder is copied, and what it was made of and in is renamed away."""
    source, taken = moved_to(subject, row, "alone")
    artifact = subject.step_on(row, taken, source)
    step = subject.judge(row, artifact)
    before = subject.answers(step, artifact, source).cases[0]
    steadiness = subject.steadiness(step, artifact, source)
    copied = copy_artifact(artifact, subject.folder("elsewhere"))
    hidden = [source.artifact.path, taken.root, artifact.root]
    for folder in dict.fromkeys(hidden):
        if folder.exists():
            folder.rename(folder.with_name(f"{folder.name}-away"))
    try:
        model = subject.model(step, copied)
        after = model(copies(source.cases[0].inputs))
    except HwcoreError as error:
        raise Broken(f"copied elsewhere, it does not work: {error}") from error
    agree(before, after, "copied elsewhere", steadiness)


@CLAUSES(
    "ART-005",
    """A capability MUST make the same of the same source, options, data and seed: the same files,
    or if it compiles, files that answer the same.""",
    scope="work",
    mend="""Seed every random choice with `ctx.seed`, sort what comes out of sets, and write no
    time, no path and no random name into a file.""",
)
def is_deterministic(subject: Subject, row: Capability) -> None:
    """Made twice, in two folders, of two copies of the source."""
    if row.hook != "compile":
        names = varies(subject, row)
        if names:
            raise Broken(f"made twice, {names_of(names)} differs")
        return
    moved, taken = moved_to(subject, row, "again")
    second = artifact_of(subject, row, observe(subject, row, moved, artifact=taken))
    same_answers(subject, row, moved, subject.made(row, subject.one(row)), second, "made twice")


@CLAUSES(
    "ART-006",
    "A capability MUST leave its source as it is.",
    scope="work",
    mend="Write into `out` only. Libraries that cache beside a model can be told another folder.",
)
def source_is_untouched(subject: Subject, row: Capability) -> None:
    """Every file of what it is given, and of the model that this was made of."""
    source, taken = moved_to(subject, row, "untouched")
    folders = dict.fromkeys([source.artifact.root, taken.root])
    before = [contents(folder) for folder in folders]
    observe(subject, row, source, artifact=taken)
    for folder, was in zip(folders, before, strict=True):
        now = contents(folder)
        changed = sorted(n for n in was.keys() | now.keys() if was.get(n) != now.get(n))
        if changed:
            raise Broken(f"it changes {names_of(changed)} in what it is given")


@CLAUSES(
    "ART-007",
    "A hook MUST have written everything when it returns.",
    scope="work",
    mend="Join threads and wait for processes that write, and flush, before returning the draft.",
)
def is_finished_when_it_returns(subject: Subject, row: Capability) -> None:
    """The files of a plain call, again some time later."""
    found = observed(subject, row)
    time.sleep(max(found.returned + SETTLE_SECONDS - time.monotonic(), 0))
    now = contents(found.out)
    late = sorted(n for n in now.keys() | found.files.keys() if now.get(n) != found.files.get(n))
    if late:
        raise Broken(f"{names_of(late)} in `out` changes after the hook has returned")


@CLAUSES(
    "ART-008",
    "A step that was killed MUST work when it is done again.",
    scope="work",
    slow=True,
    mend="Leave no lock, marker or half-filled cache behind that outlives the process.",
)
def can_be_done_again(subject: Subject, row: Capability) -> None:
    """Another process is killed in the middle of the step, then the step is done here.

    On a copy of the source: what is left beside it would be in the way of other checks.
    """
    source, taken = moved_to(subject, row, "killed")
    began = time.monotonic()
    first = observe(subject, row, source, artifact=taken)
    seconds = time.monotonic() - began
    if first.error is not None:
        raise Untestable(f"it does not work the first time: {first.error}")
    before = artifact_of(subject, row, first)
    _kill_in_the_middle(subject, row, source, taken, seconds)
    again = observe(subject, row, source, artifact=taken)
    if again.error is not None:
        raise Broken(f"after a kill, it raises {type(again.error).__name__}: {again.error}")
    repeated(subject, row, source, before, artifact_of(subject, row, again), "after a kill")


@CLAUSES(
    "ART-009",
    "A capability MUST work in folders whose names have spaces and letters of any language.",
    scope="work",
    mend="Hand paths on as they are, never through a shell or an 8-bit encoding.",
)
def works_in_any_folder(subject: Subject, row: Capability) -> None:
    """Source and `out` in such folders, and what is in `out` afterwards."""
    source, taken = moved_to(subject, row, "Модель mit Öl 模型")
    out = subject.folder("größe 大 пример и Leerraum")
    found = observe(subject, row, source, artifact=taken, out=out)
    if found.error is not None:
        raise Broken(f"there, it raises {type(found.error).__name__}: {found.error}")
    try:
        artifact_of(subject, row, found)
    except PluginError as error:
        raise Broken(f"there, {error.reason}") from error


@CLAUSES(
    "ART-010",
    "A capability MUST do with a real model what it does with small ones.",
    scope="row",
    slow=True,
    mend="""Where small models are right, look for sizes that are taken for granted: layers, heads,
    widths, rows of a table.""",
)
def works_on_a_real_model(subject: Subject, row: Capability) -> Measured:
    """MiniLM, trained and of six layers, against transformers: closely, or if anything on the way
    loses accuracy, within the tolerance of the scheme."""
    source = subject.real(row)
    if source is None:
        raise NotApplicable("it is not for the real model's task, or that was left out")
    try:
        taken = subject.taken(row, source)
        artifact = taken if row.hook == "run" else subject.step_on(row, taken, source)
        step = Step(subject.name, row) if row.hook == "run" else subject.judge(row, artifact)
        found = subject.answers(step, artifact, source)
    except NoWay as error:
        raise NotApplicable(f"no way leads to it: {error}") from None
    except HwcoreError as error:
        raise Broken(f"{source.model.name}: {error}") from error
    if all_finite(found):
        raise Broken(f"{source.model.name}: the output {all_finite(found)!r} is not finite")
    hooks = {row.hook, *(s.row.hook for s in subject.way(row, source))}
    if "sparsify" in hooks:  # zeros without training have no tolerance
        return {"finite": True}
    lossless = all(s.row.lossless for s in (*subject.way(row, source), step)) and row.lossless
    allowed = tolerance_for(artifact, lossless=lossless)
    if lossless:
        return {"max_error": as_transformers(source, found, allowed)}
    return {"rms_error": roughly_as_transformers(source, found, allowed)}


def _kill_in_the_middle(
    subject: Subject, row: Capability, source: Source, taken: Artifact, seconds: float
) -> None:
    """Do the step in a worker, and kill that at its first sign of progress, or halfway."""
    target, started = subject.target(row), threading.Event()
    assert target is not None  # noqa: S101 - the row would not be checked
    assert row.hook != "run"  # noqa: S101 - it makes artifacts
    arguments: dict[str, Any] = {
        "source": taken,
        "capability": row.id,
        "options": {},
        "data": subject.data(source) if row.data is not None else None,
        "target": target,
        "reference": source.artifact,
        "seed": subject.seed,
    }

    def call(host: PluginHost) -> None:
        with contextlib.suppress(PluginError):  # of a worker that died
            host.call(row.hook, subject.name, out=subject.folder("killed"), **arguments)

    before = set(psutil.Process().children(recursive=True))
    with PluginHost(subject.discovery, limits=Limits(seconds=CALL_SECONDS)) as host:
        call(host)  # starts the worker, and loads the plugin in it
        workers = set(psutil.Process().children(recursive=True)) - before

        def listen(event: object) -> None:
            started.set()

        with host.listening(listen):
            caller = threading.Thread(target=call, args=(host,))
            caller.start()
            started.wait(seconds / 2)
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
            caller.join()
