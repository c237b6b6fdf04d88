"""ERR: how a plugin says that something is wrong."""

from __future__ import annotations

from hwcore.artifacts import copy_artifact
from hwcore.contract import Artifact, Capability, HwcoreError, UserError
from hwcore_conformance import bare
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.observing import observe
from hwcore_conformance.subject import Subject
from hwcore_conformance.ways import NoWay, Step

CLAUSES = Clauses()
LONGEST = 300
"""Characters of a sentence that people read to its end."""
DISK_BYTES = 4096
NO_SUCH = "hwcore-no-such-capability"


@CLAUSES(
    "ERR-001",
    "Given a damaged source, a hook MUST raise; it never ends the process, and never goes on.",
    scope="row",
    fatal=True,
    mend="Let the library's exception out, and check sizes before memory is mapped.",
)
def damage_is_an_error(subject: Subject, row: Capability) -> Measured:
    """The largest file of what it is given, cut in half."""
    source = subject.one(row)
    damaged = _damaged(subject, row, subject.taken(row, source))
    found = observe(subject, row, source, artifact=damaged)
    if found.error is None:
        raise Broken("half of its source's largest file is missing, and it goes on")
    if isinstance(found.error, SystemExit):
        raise Broken("half of its source's largest file is missing, and it calls sys.exit")
    return {"raises": type(found.error).__name__}


@CLAUSES(
    "ERR-002",
    "A refusal MUST come with a hint at what to do instead.",
    scope="row",
    mend="Raise UserError(message, hint=…): what would work, or what to change.",
)
def refusals_have_hints(subject: Subject, row: Capability) -> Measured:
    """Every model that it refuses."""
    refused = _refused(subject, row)
    for name, error in refused.items():
        if not error.hint:
            raise Broken(f"{name}: {error.message!r} - and no hint at what to do")
    return {"refused": sorted(refused)}


@CLAUSES(
    "ERR-003",
    "A refusal MUST be one line that a person can read, of at most 300 characters.",
    scope="row",
    mend="Say it in your own words; what the library printed goes to ctx.log.",
)
def refusals_are_sentences(subject: Subject, row: Capability) -> None:
    """Every model that it refuses."""
    for name, error in _refused(subject, row).items():
        message = error.message
        if not message.isprintable() or len(message) > LONGEST:
            lines = len(message.splitlines())
            raise Broken(
                f"{name}: it says {len(message)} characters in {lines} lines, {message[:60]!r} …"
            )


@CLAUSES(
    "ERR-004",
    "A step that cannot write its files MUST raise, as on a full disk.",
    scope="work",
    mend="Let OSError out. Compiled code that ignores it leaves a file too short: check its size.",
)
def full_disks_are_errors(subject: Subject, row: Capability) -> None:
    """Every file may grow to 4 KiB and no further."""
    source = subject.one(row)
    whole = observe(subject, row, source)
    if not any((whole.out / name).stat().st_size > DISK_BYTES for name in whole.files):
        raise NotApplicable("what it writes is smaller than that")
    full = observe(subject, row, source, largest_file=DISK_BYTES)
    if full.error is None:
        raise Broken("its files are cut off, and it goes on")


@CLAUSES(
    "ERR-005",
    "Asked for a capability that it does not have, a hook MUST refuse.",
    scope="row",
    mend="Raise UserError where `capability` is none of the rows': no branch is for the rest.",
)
def unknown_capabilities_are_refused(subject: Subject, row: Capability) -> None:
    """The hook's own code, which a host never asks for such a thing."""
    if "capability" not in bare.arguments(subject.name, row.hook):
        raise NotApplicable("its hook has one capability, and does not look at its name")
    other = row.model_copy(update={"id": NO_SUCH})
    source = subject.one(row)
    found = observe(subject, other, source, artifact=subject.taken(row, source))
    if found.error is None:
        raise Broken(f"asked for {NO_SUCH!r}, it goes on")


def _refused(subject: Subject, row: Capability) -> dict[str, UserError]:
    """What a plain call raises for each model that it refuses."""

    def ask() -> dict[str, UserError]:
        refused = {}
        for source in subject.candidates(row):
            try:
                artifact = subject.taken(row, source)
            except (NoWay, UserError, Untestable):
                continue
            try:
                if row.hook == "run":
                    subject.model(Step(subject.name, row), artifact)
                else:
                    subject.made(row, source)
            except UserError:  # a host may have shortened it
                error = observe(subject, row, source, artifact=artifact).error
                if isinstance(error, UserError):
                    refused[source.model.name] = error
            except HwcoreError:  # that it works is another clause
                continue
        return refused

    found: dict[str, UserError] = subject.kept(("refused", row.id), ask)
    if not found:
        raise NotApplicable("it refuses none of the models")
    return found


def _damaged(subject: Subject, row: Capability, artifact: Artifact) -> Artifact:
    """A copy whose largest file is cut in half."""
    copied = copy_artifact(artifact, subject.folder(f"damaged-{row.id}"))
    name = max(copied.manifest.files, key=lambda name: copied.manifest.files[name].size)
    file = copied.root / name
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    return copied
