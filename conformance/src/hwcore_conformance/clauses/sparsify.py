"""SPR: zeros, where and as many as the artifact says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwcore.contract import Array, Artifact, Capability, Sparsity
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.inspection import Tensor, Unreadable, readable, tensors
from hwcore_conformance.patterns import keeps
from hwcore_conformance.subject import Subject
from hwcore_conformance.ways import NoWay

CLAUSES = Clauses()
COSINE = 0.5
SLACK = 0.01
"""How much the share of zeros may differ from what is claimed: rounding to whole blocks."""


class Zeros(NamedTuple):
    """Zeros in the matrices of an artifact that were pruned."""

    number: int
    share: float
    broken: str
    """A matrix whose zeros do not follow the pattern; empty when there is none."""


@CLAUSES(
    "SPR-001",
    "A sparsified artifact MUST hold the share of zeros that it claims, in the pattern it claims.",
    scope="sparsify",
    mend="Measure the zeros in what was written, and put that into `Traits.sparsity`.",
)
def zeros_are_counted(subject: Subject, row: Capability) -> Measured:
    """Matrices of at least two dimensions that have zeros, read from the files."""
    shares: Measured = {}
    for source in subject.works_on(row):
        artifact = subject.made(row, source)
        claimed = artifact.traits.sparsity
        if claimed is None:
            if not _fewer_parameters(artifact, subject.taken(row, source)):
                raise Broken(f"{source.model.name}: its traits say nothing of sparsity")
            continue
        found = _zeros(artifact, claimed)
        if found.broken:
            raise Broken(
                f"{source.model.name}: the zeros of {found.broken} do not follow {claimed.pattern}"
            )
        if found.share < claimed.share - SLACK:
            raise Broken(
                f"{source.model.name}: it claims {claimed.share:.0%} of zeros, and the matrices "
                f"that have any hold {found.share:.0%}"
            )
        shares[source.model.name] = found.share
    if not shares:
        raise NotApplicable("it takes parameters out, and claims no zeros")
    return {"shares": shares}


@CLAUSES(
    "SPR-002",
    "A step after a sparsification MUST keep its zeros.",
    scope="work",
    mend="Prune before folding and transposing, map zero to zero when quantizing, and count again.",
)
def zeros_survive(subject: Subject, row: Capability) -> Measured:
    """What the capability makes of a sparse artifact, where there is a way to one."""
    if row.hook == "sparsify":
        raise NotApplicable("SPR-001 looks at what it makes itself")
    source = subject.one(row)
    try:
        sparse = subject.sparse(row, source)
    except NoWay:
        raise NotApplicable("no installed plugin makes a sparse artifact that it takes") from None
    before = sparse.traits.sparsity
    assert before is not None  # noqa: S101 - it was chosen for its zeros
    after = subject.step_on(row, sparse, source)
    claimed = after.traits.sparsity
    if claimed != before:
        said = f"{claimed.share:.0%} of {claimed.pattern}" if claimed else "nothing"
        raise Broken(
            f"its source says {before.share:.0%} of {before.pattern} zeros, its result {said}"
        )
    if row.lossless and not readable(after):
        raise NotApplicable("its files cannot be read, and it computes the same as its source")
    held, found = _zeros(sparse, before), _zeros(after, before)
    if found.number < (1 - SLACK) * held.number:
        raise Broken(f"of the {held.number} zeros of its source, {found.number} are left")
    if found.broken and not held.broken:
        raise Broken(f"the zeros of {found.broken} do not follow {before.pattern} any more")
    return {"share": found.share}


@CLAUSES(
    "SPR-003",
    "A sparsified matrix MUST still be like the one it was made of, with a cosine of 0.5 at least.",
    scope="sparsify",
    mend="Multiply the weights by the mask: scores and masks themselves are no weights.",
)
def weights_are_kept(subject: Subject, row: Capability) -> Measured:
    """Matrices of one name and shape before and after. Half of all weights, drawn by chance, keep
    a cosine of 0.7; the smaller half, 0.9 and more; updates to the others change that little."""
    least = 1.0
    for source in subject.works_on(row):
        before, after = (
            {name: tensor.values for name, tensor in _read(artifact) if tensor.matrix}
            for artifact in (subject.taken(row, source), subject.made(row, source))
        )
        for name in before.keys() & after.keys():
            found = _cosine(before[name], after[name])
            least = min(least, found)
            if found < COSINE:
                raise Broken(
                    f"{source.model.name}: {name} has a cosine of {found:.2f} with what it was"
                )
    return {"least_cosine": least}


def _fewer_parameters(artifact: Artifact, source: Artifact) -> bool:
    """Whether parts were taken out, as the core allows instead of zeros."""
    now, before = (found.manifest.facts.get("parameters") for found in (artifact, source))
    return isinstance(now, int) and isinstance(before, int) and now < before


def _read(artifact: Artifact) -> list[tuple[str, Tensor]]:
    """Raises `Untestable` for files that the suite cannot read."""
    try:
        return list(tensors(artifact))
    except Unreadable as error:
        raise Untestable(f"its weights cannot be read: {error}") from error


def _cosine(first: Array | None, second: Array | None) -> float:
    """1 for what is packed into bytes, has another shape, or is zero: that is not compared."""
    if first is None or second is None or first.shape != second.shape:
        return 1.0
    one, other = (np.asarray(values, np.float64).ravel() for values in (first, second))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 1.0


def _zeros(artifact: Artifact, claimed: Sparsity) -> Zeros:
    """Raises `Untestable` for files that the suite cannot read."""
    zeros, total, broken = 0, 0, ""
    try:
        for name, tensor in tensors(artifact):
            if not tensor.matrix or tensor.values is None or tensor.values.all():
                continue
            values = np.asarray(tensor.values)
            share = 1 - np.count_nonzero(values) / values.size
            if share < claimed.share / 2:  # zeros by chance: a dead channel, a padding token
                continue
            if not broken and keeps(values.reshape(len(values), -1), claimed.pattern) is False:
                broken = name
            zeros, total = zeros + values.size - np.count_nonzero(values), total + values.size
    except Unreadable as error:
        raise Untestable(f"its zeros cannot be counted: {error}") from error
    return Zeros(zeros, zeros / total if total else 0.0, broken)
