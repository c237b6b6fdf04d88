"""RUN: what a loaded model does, called with numpy arrays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from hwcore.artifacts import copy_artifact
from hwcore.contract import (
    Arrays,
    Artifact,
    Capability,
    HwcoreError,
    PluginError,
    StatefulRunner,
    UserError,
)
from hwcore.data import near
from hwcore.host import LoadedModel
from hwcore_conformance import bare
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.comparing import (
    agree,
    agrees_with_signature,
    as_another,
    as_transformers,
    padding_as_transformers,
    roughly,
    roughly_as_transformers,
    same,
)
from hwcore_conformance.models import CAUSAL
from hwcore_conformance.questions import filled, rows_of, smallest, turned, wrong_inputs
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Answers, Subject, contents, copies, names_of
from hwcore_conformance.tolerances import FLOAT32, Tolerance, tolerance_for
from hwcore_conformance.ways import Step

CLAUSES = Clauses()
CALLS = 500
THREADS, TURNS = 4, 32
SESSION_CASE = 2
"""Two rows of sixteen tokens."""
LEAK_BYTES = 1 << 20
"""What vendors' engines grow by is some 20 KB; one answer kept of each call is 2 MB."""


@CLAUSES(
    "RUN-001",
    """A run capability MUST load every model that its manifest says it takes, of every task it
    is for.""",
    scope="run",
    fatal=True,
    mend="Load it, or narrow `inputs` and `tasks` of the row to what can be loaded.",
)
def loads(subject: Subject, row: Capability) -> Measured:
    """Every architecture that comes this far."""
    sources = subject.sources(row)
    for source in sources:
        try:
            subject.model(Step(subject.name, row), subject.taken(row, source))
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
    for source in subject.sources(row):
        model = _shared(subject, row, source)
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
    for source in subject.sources(row):
        model = _shared(subject, row, source)
        try:
            answers = _own(subject, row, source).cases
        except PluginError as error:
            raise Broken(f"{source.model.name}: {error.reason}") from error
        for case, answer in zip(source.cases, answers, strict=True):
            agrees_with_signature(model.signature, case.inputs, answer, source.model.name)


@CLAUSES(
    "RUN-004",
    """A run capability MUST answer as the format's reference runner does, and that as
    transformers: a lossy one as closely as bfloat16 can.""",
    scope="run",
    mend="Compare layer by layer; the usual suspects are masks, epsilons and GELU.",
)
def answers_as_the_reference(subject: Subject, row: Capability) -> Measured:
    """Every architecture, on sizes unlike each other, and on padded rows.

    Where the plugin itself makes what its reference runner takes, the clauses about making it
    compare with transformers.
    """
    worst = 0.0
    for source in subject.sources(row):
        artifact = subject.taken(row, source)
        found = _own(subject, row, source)
        allowed = tolerance_for(artifact, lossless=row.lossless)
        reference = subject.reference(row, artifact)
        if reference is not None:
            expected = subject.answers(reference, artifact, source)
            compare = as_another if row.lossless else roughly
            worst = max(worst, compare(source, expected, found, allowed))
        elif any(step.plugin == subject.name for step in subject.way(row, source)):
            raise NotApplicable("it is what the plugin's own artifacts are judged with")
        elif not row.lossless:
            worst = max(worst, roughly_as_transformers(source, found, allowed))
        else:
            worst = max(worst, as_transformers(source, found, allowed))
            worst = max(worst, padding_as_transformers(source, found, allowed))
    return {"max_error" if row.lossless else "rms_error": worst}


@CLAUSES(
    "RUN-005",
    "A runner MUST give only the outputs that it is asked for.",
    scope="run",
    mend="Look at the argument `outputs`; None stands for all.",
)
def gives_what_is_asked(subject: Subject, row: Capability) -> None:
    """Each output alone."""
    for source in subject.sources(row):
        model = _shared(subject, row, source)
        case = source.cases[-1]
        whole = copies(model(copies(case.inputs)))
        for spec in model.signature.outputs:
            where = f"{source.model.name}, asked for {spec.name!r}"
            try:
                part = model(copies(case.inputs), [spec.name])
            except PluginError as error:
                raise Broken(f"{where}: {error.reason}") from error
            agree(part, whole, f"{where} alone", _steadiness(subject, row, source))


@CLAUSES(
    "RUN-006",
    "A runner MUST answer a row of a batch as it answers that row alone, wherever it stands.",
    scope="run",
    mend="""Nothing may be computed across rows, and no row may get another's answer: look at
    masks, at ranges of activations, and at rows that are sorted for speed.""",
)
def rows_are_alone(subject: Subject, row: Capability) -> None:
    """The rows of the largest batch: turned around, and each on its own."""
    for source in subject.sources(row):
        model, name = _shared(subject, row, source), source.model.name
        allowed = tolerance_for(subject.taken(row, source), lossless=row.lossless)
        case = max(source.cases, key=rows_of)
        whole = copies(model(copies(case.inputs)))
        again = model(turned(case))
        expected = {output: array[::-1] for output, array in whole.items()}
        _same(expected, again, allowed, f"{name}, turned around")
        for number in range(rows_of(case)):
            one = slice(number, number + 1)
            single = model({n: array[one].copy() for n, array in case.inputs.items()})
            expected = {output: array[one] for output, array in whole.items()}
            _same(expected, single, allowed, f"{name}, row {number} of {rows_of(case)} alone")


@CLAUSES(
    "RUN-007",
    "A runner MUST keep nothing from one call to the next.",
    scope="run",
    mend="Clear what a call leaves in buffers, caches and masks before the next.",
)
def stateless(subject: Subject, row: Capability) -> None:
    """The first question again, after questions of other sizes and values."""
    source = subject.one(row)
    with subject.open(row, subject.taken(row, source)) as model:
        first = model(copies(source.cases[0].inputs))
        for case in source.cases[1:]:
            model(copies(case.inputs))
        again = model(copies(source.cases[0].inputs))
    where = f"{source.model.name}, the first call repeated after others"
    agree(first, again, where, _steadiness(subject, row, source))


@CLAUSES(
    "RUN-008",
    "A runner MUST leave what it returned to the caller: later calls never change it.",
    scope="run",
    mend="Return copies of buffers that are used again.",
)
def answers_are_the_callers(subject: Subject, row: Capability) -> None:
    """A result is looked at again after the next call of the same shape."""
    source = subject.one(row)
    with subject.open(row, subject.taken(row, source)) as model:
        case = source.cases[1]
        result = model(copies(case.inputs))
        kept = {name: array.copy() for name, array in result.items()}
        model(turned(case))
        for name, array in result.items():
            if not np.array_equal(array, kept[name], equal_nan=True):
                raise Broken(f"the output {name!r} of a call changed with the next call")


@CLAUSES(
    "RUN-009",
    "A runner MUST leave its inputs as they are.",
    scope="run",
    mend="Copy an input before writing to it.",
)
def inputs_are_untouched(subject: Subject, row: Capability) -> None:
    """In process, where nothing is copied on the way."""
    source = subject.one(row)
    with subject.open(row, subject.taken(row, source)) as model:
        inputs = copies(source.cases[1].inputs)
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
    """Questions of other sizes, and of one size, from threads that start each call together.

    Each answer is held against that of a quiet moment, in which everything had been asked before:
    what calls leave behind is another clause.
    """
    source = subject.one(row)
    steadiness = _steadiness(subject, row, source)
    questions = [inputs for case in source.cases for inputs in (case.inputs, turned(case))]
    with subject.open(row, subject.taken(row, source)) as model:
        for inputs in questions:
            model(copies(inputs))
        quiet = [copies(model(copies(inputs))) for inputs in questions]
        together, problems = threading.Barrier(THREADS), list[str]()

        def work(first: int) -> None:
            try:
                for call in range(TURNS):
                    number = (first + call) % len(questions)
                    inputs = copies(questions[number])
                    together.wait()
                    agree(quiet[number], model(inputs), f"thread {first}, call {call}", steadiness)
            except (Broken, HwcoreError) as problem:
                problems.append(str(problem))
                together.abort()
            except threading.BrokenBarrierError:  # another thread has found something
                return

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
    source = subject.one(row)
    made = bare_runner(subject, row, subject.taken(row, source))
    made(copies(source.cases[0].inputs))
    made.close()
    try:
        made.close()
    except Exception as error:
        raise Broken(f"closed twice, it raises {type(error).__name__}: {error}") from error


@CLAUSES(
    "RUN-012",
    "A runner MUST NOT hold on to memory call by call.",
    scope="run",
    mend="Free what a call made; look at lists that grow and at caches without a bound.",
    slow=True,
)
def no_leak(subject: Subject, row: Capability) -> Measured:
    """The most memory after 500 calls of changing sizes, against that after 250, in a worker."""
    source = subject.one(row)
    with subject.open(row, subject.taken(row, source), door="worker") as model:
        inputs = [case.inputs for case in source.cases]
        model.time_calls(inputs, CALLS // 2)
        before = model.peak_rss()
        subject.beat("calls")
        model.time_calls(inputs, CALLS)
        grown = model.peak_rss() - before
    if grown > LEAK_BYTES:
        raise Broken(
            f"{CALLS} calls took {grown / 1e6:.0f} MB that were not given back "
            f"(allowed: {LEAK_BYTES / 1e6:.0f} MB)"
        )
    return {"grown_bytes": grown}


@CLAUSES(
    "RUN-013",
    "A loaded model MUST refuse inputs that do not fit its signature, naming what is wrong.",
    scope="run",
    mend="""Keep the bounds of the signature's dimensions, which the host checks before a call:
    the longest sequence is one.""",
)
def wrong_inputs_are_refused(subject: Subject, row: Capability) -> Measured:
    """Missing, unknown, another dtype, another rank, no rows, and beyond each upper bound."""
    source = subject.one(row)
    signature = subject.taken(row, source).component().signature
    model, refused = _shared(subject, row, source), []
    for what, word, inputs in wrong_inputs(signature, source.cases[0]):
        try:
            model(inputs)
        except UserError as error:
            if word not in str(error):
                raise Broken(f"{what}: it says {str(error)!r}, which does not name it") from error
            refused.append(what)
        except HwcoreError as error:
            raise Broken(f"{what} is not refused before the call: {error}") from error
        else:
            raise Broken(f"{what} is answered")
    return {"refused": refused}


@CLAUSES(
    "RUN-014",
    "A runner MUST answer at the bounds of its signature, the least and the largest.",
    scope="run",
    mend="Lower the dimension's `max` in the export to what can be computed.",
)
def answers_at_the_bounds(subject: Subject, row: Capability) -> Measured:
    """One row at the least and at the largest size of every bounded dimension."""
    source = subject.one(row)
    _own(subject, row, source)  # what does not work in between either is not blamed on the bounds
    signature = subject.taken(row, source).component().signature
    model, answered = _shared(subject, row, source), []
    least = smallest(signature, {})
    most = smallest(
        signature, {d.name: near(d, d.max) for d in signature.dims if d.max is not None}
    )
    for chosen in (least, most):
        inputs = filled(signature, source.cases[0], chosen)
        sizes = ", ".join(f"{name} {size}" for name, size in chosen.items())
        try:
            answer = model(copies(inputs))
        except HwcoreError as error:
            raise Broken(f"at {sizes}: {error}") from error
        agrees_with_signature(signature, inputs, answer, f"at {sizes}")
        wrong = [name for name, array in answer.items() if not np.isfinite(array).all()]
        if wrong:
            raise Broken(f"at {sizes}: the output {wrong[0]!r} is not finite")
        answered.append(sizes)
    return {"sizes": answered}


@CLAUSES(
    "RUN-015",
    "A runner MUST leave the artifact's folder as it is.",
    scope="run",
    mend="Keep caches in memory, or in a folder of their own that an option names.",
)
def artifact_is_untouched(subject: Subject, row: Capability) -> None:
    """Every file of a copy that nothing has run, before and after it is loaded and called."""
    source = subject.one(row)
    artifact = copy_artifact(subject.taken(row, source), subject.folder("untouched"))
    before = contents(artifact.root)
    with subject.open(row, artifact) as model:
        model(copies(source.cases[0].inputs))
    after = contents(artifact.root)
    changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    if changed:
        raise Broken(f"running it changes {names_of(changed)} in the artifact's folder")


@CLAUSES(
    "RUN-016",
    "A runner that is not for the CPU MUST say on which device it runs, and run there.",
    scope="run",
    mend="""Give the runner a property `device`: the id of the device, asked of the engine after
    loading, and refuse to load where the engine falls back to another.""",
)
def runs_where_it_says(subject: Subject, row: Capability) -> Measured:
    """The id against those of the plugin's devices, and its kind against the target's."""
    target = subject.target(row)
    made = bare_runner(subject, row, subject.taken(row, subject.one(row)))
    device = getattr(made, "device", None)
    made.close()
    if target is None or (target.kind == "cpu" and device is None):
        raise NotApplicable("it runs on the CPU")
    if device is None:
        raise Broken(f"its target is of the kind {target.kind}, and it does not say where it runs")
    kinds = {found.id: found.kind for found in subject.host().devices()}
    if kinds.get(device) != target.kind:
        raise Broken(f"its target is of the kind {target.kind}, and it runs on {device!r}")
    return {"device": device}


@CLAUSES(
    "RUN-017",
    """A session MUST give what the whole sequence would, token by token, and after it is reordered
    and reset.""",
    scope="run",
    mend="""Count positions on from what is cached, move mask and cache together when rows are
    reordered, and drop both on reset.""",
)
def sessions_equal_recomputing(subject: Subject, row: Capability) -> Measured:
    """Two sequences, prefilled and continued, against the runner itself on all of their tokens."""
    source, allowed = subject.one(row), FLOAT32
    made = bare_runner(subject, row, subject.taken(row, source))
    if source.artifact.task != CAUSAL.task:
        made.close()
        raise NotApplicable("its models are not decoded")
    if not isinstance(made, StatefulRunner):
        raise Broken("it runs models that are decoded, and has no sessions")
    case = source.cases[SESSION_CASE]
    [name] = case.outputs
    whole, ids = made(copies(case.inputs))[name], case.inputs["input_ids"]
    half, length = ids.shape[1] // 2, ids.shape[1]
    prompt, ones = ids[:, :half], np.ones((len(ids), half), np.int64)
    session = made.session(len(ids), length)
    first = session.prefill(prompt, ones, last_only=False)
    worst = same(whole[:, :half], first, allowed, "prefill")
    session.reset()
    last = session.prefill(prompt, ones)
    worst = max(worst, same(whole[:, half - 1 : half], last, allowed, "prefill after a reset"))
    order = np.arange(len(ids))[::-1].copy()
    session.reorder(order)
    for place in range(half, length):
        found = session.step(ids[order, place : place + 1])
        expected = whole[order, place : place + 1]
        where = f"token {place + 1} of {length}, after rows were reordered"
        worst = max(worst, same(expected, found, allowed, where))
    session.close()
    made.close()
    return {"max_error": worst}


def bare_runner(subject: Subject, row: Capability, artifact: Artifact) -> Any:
    """The plugin's own runner. Raises `Untestable` where it does not load."""
    try:
        return bare.hook(subject.name, "run")(
            artifact=artifact,
            capability=row.id,
            options={},
            target=subject.target(row),
            ctx=bare.Notes(),
        )
    except Exception as error:
        raise Untestable(f"{row.id} does not load it: {error}") from error


def _shared(subject: Subject, row: Capability, source: Source) -> LoadedModel:
    return subject.model(Step(subject.name, row), subject.taken(row, source))


def _steadiness(subject: Subject, row: Capability, source: Source) -> Tolerance:
    return subject.steadiness(Step(subject.name, row), subject.taken(row, source), source)


def _own(subject: Subject, row: Capability, source: Source) -> Answers:
    return subject.answers(Step(subject.name, row), subject.taken(row, source), source)


def _same(expected: Arrays, actual: Arrays, tolerance: Tolerance, where: str) -> None:
    for name, array in expected.items():
        same(array, actual[name], tolerance, f"{where}: output {name!r}")
