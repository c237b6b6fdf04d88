"""QNT: fewer bits, counted and not claimed."""

from __future__ import annotations

from hwcore.contract import Artifact, Capability
from hwcore.transformers import read_tensors
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable
from hwcore_conformance.comparing import all_finite, roughly
from hwcore_conformance.inspection import Unreadable, tensors
from hwcore_conformance.observing import observed
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Answers, Subject
from hwcore_conformance.tolerances import tolerance_for
from hwcore_conformance.ways import Step

CLAUSES = Clauses()
SLACK = 1.1
CONSTANTS = 1.1
"""Numbers that a graph has beside the model's weights: positions, and tables of them."""
OVERHEAD_BYTES = 2 << 20
"""Graph structure beside the weights, in files that cannot be read."""


@CLAUSES(
    "QNT-001",
    "A quantized artifact MUST be as small as the bits per weight that it claims.",
    scope="quantize",
    mend="""Store integers, not floats that were rounded; and count what stays in floating point,
    such as embeddings and scales, into `bits_per_weight`.""",
)
def bytes_are_counted(subject: Subject, row: Capability) -> Measured:
    """The facts `bits_per_weight` and `parameters` against the arrays in the files.

    Against the size of all files where those cannot be read.
    """
    measured: Measured = {}
    for source in subject.works_on(row):
        artifact = subject.made(row, source)
        bits, parameters = (_fact(artifact, name) for name in ("bits_per_weight", "parameters"))
        try:
            stored = sum(tensor.bytes for _, tensor in tensors(artifact))
        except Unreadable:
            stored = max(artifact.size_bytes - OVERHEAD_BYTES, 0)
        actual = sum(array.size for _, array in read_tensors(source.artifact))
        if parameters > CONSTANTS * actual:
            raise Broken(
                f"{source.model.name}: it claims {parameters:.0f} weights, the model has {actual}"
            )
        claimed = bits * parameters / 8
        if stored > SLACK * claimed:
            raise Broken(
                f"{source.model.name}: it claims {bits:.3g} bits for each of {parameters:.0f} "
                f"weights, and its files hold {stored:.0f} bytes, {stored * 8 / parameters:.3g} "
                "bits for each"
            )
        measured[source.model.name] = stored * 8 / parameters
    return {"stored_bits_per_weight": measured}


@CLAUSES(
    "QNT-002",
    "A quantized artifact MUST hold as many matrices of few bits as operations it claims.",
    scope="quantize",
    mend="""Store the weights as integers. If they are, count `ops_quantized` in what was written,
    after the library is done.""",
)
def operations_are_counted(subject: Subject, row: Capability) -> Measured:
    """Matrices of at most 8 bits in the files, against the fact `ops_quantized`."""
    source = subject.one(row)
    artifact = subject.made(row, source)
    claimed = _fact(artifact, "ops_quantized")
    if claimed < 1:
        raise Broken("it claims not one operation that was quantized")
    if artifact.traits.quantization in (None, "bf16"):
        raise NotApplicable("its scheme has no integers")
    try:
        narrow = [name for name, tensor in tensors(artifact) if tensor.bits <= 8 and tensor.matrix]
    except Unreadable as error:
        raise NotApplicable(f"the files cannot be counted: {error}") from error
    if len(narrow) < claimed:
        raise Broken(
            f"it claims {claimed:.0f} operations, and the files hold {len(narrow)} matrices of at "
            "most 8 bits"
        )
    return {"claimed": claimed, "matrices": len(narrow)}


@CLAUSES(
    "QNT-003",
    "A capability that asks for data MUST use it.",
    scope="quantize",
    mend="Feed the rows of the role it declares to the calibration; or declare no need for data.",
)
def data_is_used(subject: Subject, row: Capability) -> None:
    """The same model with other rows must become another file."""
    if row.data is None:
        raise NotApplicable("it asks for no data")
    source = subject.one(row)
    first, target = subject.made(row, source), subject.target(row)
    assert target is not None  # noqa: S101 - the row would not be checked
    step, taken = Step(subject.name, row), subject.taken(row, source)
    second = subject.again(step, taken, source, target, data=subject.data(source, 1))
    files = ({n: e.sha256 for n, e in a.manifest.files.items()} for a in (first, second))
    if next(files) == next(files):
        raise Broken("two datasets give the same files: it does not look at the rows")


@CLAUSES(
    "QNT-004",
    "A quantized artifact MUST stay within its scheme's tolerance of what it was made of.",
    scope="quantize",
    mend="Look at scales and zero points, per channel and per tensor, and at saturated sums.",
)
def answers_within_the_scheme(subject: Subject, row: Capability) -> Measured:
    """Every architecture; the tolerances are the suite's, with their origins."""
    worst = 0.0
    for source in subject.works_on(row):
        before, after = _both(subject, row, source)
        if all_finite(after):
            raise NotApplicable(f"{source.model.name}: what it gives is not finite, see QNT-005")
        allowed = tolerance_for(subject.made(row, source), lossless=False)
        worst = max(worst, roughly(source, before, after, allowed))
    return {"rms_error": worst}


@CLAUSES(
    "QNT-005",
    "A quantized artifact MUST give finite numbers, also of a model with dead channels.",
    scope="quantize",
    mend="A channel of zeros has no range: give it the scale 1.",
)
def answers_are_finite(subject: Subject, row: Capability) -> None:
    """Every architecture: their linear layers have one output channel without weights."""
    for source in subject.works_on(row):
        _, after = _both(subject, row, source)
        wrong = all_finite(after)
        if wrong:
            raise Broken(f"{source.model.name}: the output {wrong!r} is not finite")


@CLAUSES(
    "QNT-006",
    "A capability MUST NOT read rows that it was not given, those of the role `test` above all.",
    scope="quantize",
    mend="Read with hwcore.data.batches, and leave the folders beside the dataset alone.",
)
def test_rows_are_not_read(subject: Subject, row: Capability) -> None:
    """Files that Python code opens in the dataset's folder, during a call."""
    if row.data is None:
        raise NotApplicable("it asks for no data")
    found = observed(subject, row)
    folder = found.source.artifact.path
    given = subject.data(found.source)
    assert given is not None  # noqa: S101 - there is data
    inside = str(given.path)
    for path in sorted(found.seen.opened):
        near = path.startswith((f"{folder}/data", f"{folder}/other-data"))
        if near and not path.startswith(inside):
            name = path.removeprefix(f"{folder}/")
            raise Broken(f"it opens {name}, which it was not given")


def _both(subject: Subject, row: Capability, source: Source) -> tuple[Answers, Answers]:
    """What the artifact answers that it was given, and what it made answers."""
    taken, made = subject.taken(row, source), subject.made(row, source)
    judges = (subject.judge(row, taken), subject.judge(row, made))
    before = subject.answers(judges[0], taken, source)
    return before, subject.answers(judges[1], made, source)


def _fact(artifact: Artifact, name: str) -> float:
    value = artifact.manifest.facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Broken(f"it does not say {name}", hint=f"Give the draft the fact {name!r}.")
    return float(value)
