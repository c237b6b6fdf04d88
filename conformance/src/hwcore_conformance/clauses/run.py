"""RUN: what a loaded model does, called with numpy arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from hwcore.contract import Array, Capability, HwcoreError, PluginError, Traits
from hwcore.host import LoadedModel
from hwcore_conformance import bare
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.sources import Case, Source
from hwcore_conformance.subject import Subject
from hwcore_conformance.tolerances import REPEATED, difference, tolerance_for

CLAUSES = Clauses()
CALLS = 500
THREADS = 4


def loaded(subject: Subject, row: Capability) -> Iterator[tuple[Source, LoadedModel]]:
    """Every model that the row is for, loaded."""
    for source in subject.sources(row):
        yield source, subject.load(row, source)


def expect(name: str, expected: Array, actual: Array, traits: Traits, where: str) -> float:
    """Raise `Broken` unless two outputs agree; give the largest error."""
    found = difference(expected, actual)
    allowed = tolerance_for(traits)
    if not found.within(allowed):
        raise Broken(
            f"{where}: output {name!r} is off by {found} (allowed: max {allowed.max_error:g}, "
            f"root mean square {allowed.rms_error:g})"
        )
    return found.max_error


def agree(first: dict[str, Array], second: dict[str, Array], where: str) -> None:
    """Raise `Broken` unless two answers to the same question are the same."""
    for name, array in first.items():
        found = difference(array, second[name])
        if not found.within(REPEATED):
            raise Broken(f"{where}: output {name!r} differs by {found}")


@CLAUSES(
    "RUN-001",
    """A run capability MUST load every model that its manifest says it takes, of every task it
    is for.""",
    scope="run",
    mend="Load it, or narrow `inputs` and `tasks` of the row to what can be loaded.",
)
def loads(subject: Subject, row: Capability) -> Measured:
    """Every architecture that comes this far."""
    sources = subject.sources(row)
    for source in sources:
        try:
            subject.open_shared(row, source)
        except HwcoreError as error:
            raise Broken(f"{source.model.name}: {error}") from error
    return {"models": [source.model.name for source in sources]}


@CLAUSES(
    "RUN-002",
    "A runner MUST have the signature of the artifact's component.",
    scope="run",
    mend="Give `artifact.component().signature` as the runner's.",
)
def has_the_signature(subject: Subject, row: Capability) -> None:
    """Names, dtypes and ranks of inputs and outputs."""
    for source, model in loaded(subject, row):
        wanted = subject.taken(row, source).component().signature
        for kind in ("inputs", "outputs"):
            declared = [(s.name, s.dtype, len(s.shape)) for s in getattr(wanted, kind)]
            given = [(s.name, s.dtype, len(s.shape)) for s in getattr(model.signature, kind)]
            if given != declared:
                raise Broken(f"{source.model.name}: its {kind} are {given}, not {declared}")


@CLAUSES(
    "RUN-003",
    "A runner MUST return arrays of the names, dtypes and shapes that its signature declares.",
    scope="run",
    mend="Return a dict with a numpy array of the declared dtype and shape for every output.",
)
def returns_what_is_declared(subject: Subject, row: Capability) -> None:
    """On every case. Dtypes and ranks are checked by the host, on every call."""
    for source, model in loaded(subject, row):
        try:
            answers = subject.answers(row, source)
        except PluginError as error:
            raise Broken(f"{source.model.name}: {error.reason}") from error
        for case, answer in zip(source.cases, answers, strict=True):
            sizes = model.signature.bind(case.inputs)
            for spec in model.signature.outputs:
                shape = tuple(sizes.get(n, n) if isinstance(n, str) else n for n in spec.shape)
                given = answer[spec.name].shape
                if given != shape:
                    raise Broken(
                        f"{source.model.name}: output {spec.name!r} has shape {given}, declared "
                        f"as {shape}"
                    )


@CLAUSES(
    "RUN-004",
    "A lossless run capability MUST answer as transformers does.",
    scope="run",
    mend="Compare layer by layer; the usual suspects are masks, epsilons and GELU.",
)
def answers_as_transformers(subject: Subject, row: Capability) -> Measured:
    """Every architecture, on sizes unlike each other."""
    if not row.lossless:
        raise NotApplicable("the row is lossy")
    worst = 0.0
    for source, _ in loaded(subject, row):
        traits = subject.taken(row, source).traits
        for case, answer in zip(source.cases, subject.answers(row, source), strict=True):
            for name, expected in case.outputs.items():
                where = f"{source.model.name}, {_shape(case)}"
                worst = max(worst, expect(name, expected, answer[name], traits, where))
    return {"max_error": worst}


@CLAUSES(
    "RUN-005",
    "A runner MUST give only the outputs that it is asked for.",
    scope="run",
    mend="Look at the argument `outputs`; None stands for all.",
)
def gives_what_is_asked(subject: Subject, row: Capability) -> None:
    """Each output alone."""
    for source, model in loaded(subject, row):
        case, whole = source.cases[-1], subject.answers(row, source)[-1]
        for spec in model.signature.outputs:
            try:
                part = model(case.inputs, [spec.name])
            except PluginError as error:
                raise Broken(
                    f"{source.model.name}, asked for {spec.name!r}: {error.reason}"
                ) from error
            agree(part, whole, f"{source.model.name}, asked for {spec.name!r} alone")


@CLAUSES(
    "RUN-006",
    "A runner MUST answer a row of a batch as it answers that row alone, wherever it stands.",
    scope="run",
    mend="""Nothing may be computed across rows, and no row may get another's answer: look at
    masks, at ranges of activations, and at rows that are sorted for speed.""",
)
def rows_are_alone(subject: Subject, row: Capability) -> None:
    """The rows of the largest batch: turned around, and each on its own."""
    for source, model in loaded(subject, row):
        place = max(range(len(source.cases)), key=lambda n: _rows(source.cases[n]))
        case, whole = source.cases[place], subject.answers(row, source)[place]
        traits = subject.taken(row, source).traits
        turned = model({name: array[::-1].copy() for name, array in case.inputs.items()})
        for name, array in whole.items():
            expect(name, array[::-1], turned[name], traits, f"{source.model.name}, turned around")
        for number in range(_rows(case)):
            single = model({n: a[number : number + 1].copy() for n, a in case.inputs.items()})
            for name, array in whole.items():
                where = f"{source.model.name}, row {number} of {_rows(case)} alone"
                expect(name, array[number : number + 1], single[name], traits, where)


@CLAUSES(
    "RUN-007",
    "A runner MUST keep nothing from one call to the next.",
    scope="run",
    mend="Clear what a call leaves in buffers, caches and masks before the next.",
)
def stateless(subject: Subject, row: Capability) -> None:
    """The first question again, after questions of other sizes and values."""
    for source, model in loaded(subject, row):
        first = subject.answers(row, source)[0]
        again = model(source.cases[0].inputs)
        agree(first, again, f"{source.model.name}, the first call repeated after others")


@CLAUSES(
    "RUN-008",
    "A runner MUST leave what it returned to the caller: later calls never change it.",
    scope="run",
    mend="Return copies of buffers that are used again.",
)
def answers_are_the_callers(subject: Subject, row: Capability) -> None:
    """In process, where nothing is copied on the way."""
    source = subject.sources(row)[0]
    with subject.open(row, subject.taken(row, source), door="in-process") as model:
        inputs = fresh(source.cases[1])
        other = {name: np.roll(array, 1, axis=-1) for name, array in inputs.items()}
        held = model(inputs)
        kept = {name: array.copy() for name, array in held.items()}
        model(other)
        for name, array in held.items():
            if not np.array_equal(array, kept[name], equal_nan=True):
                raise Broken(f"the array of {name!r} changed with the next call")


@CLAUSES(
    "RUN-009",
    "A runner MUST leave its inputs as they are.",
    scope="run",
    mend="Copy an input before writing to it.",
)
def inputs_are_untouched(subject: Subject, row: Capability) -> None:
    """In process, where nothing is copied on the way."""
    source = subject.sources(row)[0]
    with subject.open(row, subject.taken(row, source), door="in-process") as model:
        inputs = fresh(source.cases[1])
        model(inputs)
        for name, array in inputs.items():
            if not np.array_equal(array, source.cases[1].inputs[name]):
                raise Broken(f"the input {name!r} was written to")


@CLAUSES(
    "RUN-010",
    "A runner MUST be safe to call from several threads at once.",
    scope="run",
    mend="Give every call buffers of its own, or take turns under a lock.",
)
def threads(subject: Subject, row: Capability) -> None:
    """Every case from several threads, each answer against that of a quiet moment."""
    source = subject.sources(row)[0]
    with subject.open(row, subject.taken(row, source), door="in-process") as model:
        quiet = [model(fresh(case)) for case in source.cases]
        problems: list[str] = []

        def work(first: int) -> None:
            try:
                for turn in range(8):
                    number = (first + turn) % len(quiet)
                    answer = model(fresh(source.cases[number]))
                    agree(quiet[number], answer, f"thread {first}, call {turn}")
            except (Broken, HwcoreError) as problem:
                problems.append(str(problem))

        workers = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if problems:
            raise Broken(f"called from {THREADS} threads: {problems[0]}")


@CLAUSES(
    "RUN-011",
    "A runner MUST be closed as often as one likes.",
    scope="run",
    mend="Make close() do nothing the second time.",
)
def close_is_idempotent(subject: Subject, row: Capability) -> None:
    """The plugin's own runner, which no host keeps from being closed again."""
    source = subject.sources(row)[0]
    artifact = subject.taken(row, source)
    try:
        made = bare.runner(subject.record.name, artifact, capability=row.id, target=subject.target)
    except Exception as error:
        raise Untestable(f"{row.id} does not load it: {error}") from error
    made(fresh(source.cases[0]))
    made.close()
    try:
        made.close()
    except Exception as error:
        raise Broken(f"closed twice, it raises {type(error).__name__}: {error}") from error


@CLAUSES(
    "RUN-012",
    "A runner MUST not hold on to memory call by call.",
    scope="run",
    mend="Free what a call made; look at lists that grow and at caches without a bound.",
    slow=True,
)
def no_leak(subject: Subject, row: Capability) -> Measured:
    """Resident memory after many calls of changing sizes, against that after some."""
    source = subject.sources(row)[0]
    with subject.open(row, subject.taken(row, source)) as model:
        inputs = [case.inputs for case in source.cases]
        model.time_calls(inputs, CALLS // 2)
        before = model.peak_rss()
        model.time_calls(inputs, CALLS)
        grown = model.peak_rss() - before
        allowed = 8 << 20
        if grown > allowed:
            raise Broken(
                f"{CALLS} calls took {grown / 1e6:.0f} MB that were not given back "
                f"(allowed: {allowed / 1e6:.0f} MB)"
            )
    return {"grown_bytes": grown}


def fresh(case: Case) -> dict[str, Array]:
    """A copy of the inputs: in process, a plugin could write to what other checks compare with."""
    return {name: array.copy() for name, array in case.inputs.items()}


def _rows(case: Case) -> int:
    return len(next(iter(case.inputs.values())))


def _shape(case: Case) -> str:
    shape = next(iter(case.inputs.values())).shape
    return " × ".join(map(str, shape))
