"""Hold answers against each other, and say in one sentence where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hwcore.contract import Array, Arrays, Signature
from hwcore_conformance.clause import Broken
from hwcore_conformance.models import LENGTHS, PADDED_TO
from hwcore_conformance.sources import Source
from hwcore_conformance.subject import Answers
from hwcore_conformance.tolerances import Tolerance, difference


def same(expected: Array, actual: Array, tolerance: Tolerance, where: str) -> float:
    """Raise `Broken` unless two outputs agree; give the largest error."""
    if expected.shape != actual.shape:
        raise Broken(f"{where} has the shape {actual.shape}, expected {expected.shape}")
    found = difference(expected, actual)
    if not found.within(tolerance):
        raise Broken(
            f"{where} is off by {found} (allowed: max {tolerance.max_error:g}, root mean square "
            f"{tolerance.rms_error:g})"
        )
    return found.max_error


def agree(first: Arrays, second: Arrays, where: str, steadiness: Tolerance) -> None:
    """Raise `Broken` unless two answers to the same question are the same.

    ``steadiness`` is what `hwcore_conformance.subject.Subject.steadiness` measured. What is not
    finite is the same where it stands in both: that it is there is another clause.
    """
    for name, array in first.items():
        if not np.array_equal(array, second[name], equal_nan=True):
            same(array, second[name], steadiness, f"{where}: output {name!r}")


def as_transformers(source: Source, found: Answers, tolerance: Tolerance) -> float:
    """Raise `Broken` unless each case is answered as transformers does; give the largest error."""
    worst = 0.0
    for place, (case, answer) in enumerate(zip(source.cases, found.cases, strict=True)):
        for name, expected in case.outputs.items():
            where = f"{at(source, place)}: output {name!r}"
            worst = max(worst, same(expected, answer[name], tolerance, where))
    return worst


def padding_as_transformers(source: Source, found: Answers, tolerance: Tolerance) -> float:
    """The same for padded rows, each against what it gives alone and unpadded."""
    if source.padded is None:
        return 0.0
    return padding_as_alone(source, source.padded.rows, found, tolerance)


def padding_as_alone(
    source: Source, alone: Sequence[Arrays], found: Answers, tolerance: Tolerance
) -> float:
    """Raise `Broken` unless padded rows are answered as each alone; give the largest error."""
    if found.padded is None:
        return 0.0
    worst = 0.0
    for row, (expected, length) in enumerate(zip(alone, LENGTHS, strict=True)):
        for name, array in expected.items():
            given = found.padded[name][row : row + 1]
            if array.ndim == 3:  # padding has outputs of its own, which mean nothing
                given = given[:, :length]
            where = f"{source.model.name}, a row of {length} padded to {PADDED_TO}: output {name!r}"
            worst = max(worst, same(array, given, tolerance, where))
    return worst


def as_another(source: Source, expected: Answers, found: Answers, tolerance: Tolerance) -> float:
    """Raise `Broken` unless two runners answer alike; give the largest error."""
    worst = 0.0
    for place, (first, second) in enumerate(zip(expected.cases, found.cases, strict=True)):
        for name, array in first.items():
            where = f"{at(source, place)}: output {name!r}"
            worst = max(worst, same(array, second[name], tolerance, where))
    if expected.padded is not None and found.padded is not None:
        for row, name, length in padded_rows(expected.padded):
            first_row, second_row = (a.padded[name][row] for a in (expected, found) if a.padded)
            if first_row.ndim == 2:
                first_row, second_row = first_row[:length], second_row[:length]
            where = f"{source.model.name}, a row of {length} padded to {PADDED_TO}: output {name!r}"
            worst = max(worst, same(first_row, second_row, tolerance, where))
    return worst


def roughly(source: Source, expected: Answers, found: Answers, tolerance: Tolerance) -> float:
    """Raise `Broken` unless two runners answer alike over some rows of data together.

    For what loses accuracy on purpose: over the few numbers of one row, errors are chance; and
    ranges that were measured on data hold for data.
    Gives the error's root mean square.
    """
    worst = 0.0
    for name in expected.rows[0]:
        first, second = (
            np.concatenate([np.asarray(row[name], np.float64).ravel() for row in answers.rows])
            for answers in (expected, found)
        )
        difference_ = difference(first, second)
        if not difference_.within(tolerance):
            raise Broken(
                f"{source.model.name}: output {name!r} is off by {difference_} over rows of data "
                f"(allowed: max {tolerance.max_error:g}, root mean square "
                f"{tolerance.rms_error:g})"
            )
        worst = max(worst, difference_.rms_error)
    return worst


def roughly_as_transformers(source: Source, found: Answers, tolerance: Tolerance) -> float:
    """The same against transformers' own answers."""
    expected = Answers((), None, tuple(row.outputs for row in source.rows))
    return roughly(source, expected, found, tolerance)


def padded_rows(padded: Arrays) -> Iterator[tuple[int, str, int]]:
    """Row, output and length of what a padded batch gave."""
    for row, length in enumerate(LENGTHS):
        for name in padded:
            yield row, name, length


def at(source: Source, place: int) -> str:
    """A case in words."""
    shape = next(iter(source.cases[place].inputs.values())).shape
    return f"{source.model.name}, {' × '.join(map(str, shape))}"


def all_finite(found: Answers) -> str:
    """The name of an output that has a value which is not finite; empty when there is none."""
    for answer in (*found.cases, *found.rows, found.padded or {}):
        for name, array in answer.items():
            if not np.isfinite(np.asarray(array, np.float64)).all():
                return name
    return ""


def agrees_with_signature(signature: Signature, inputs: Arrays, answer: Arrays, where: str) -> None:
    """Raise `Broken` unless the outputs have the shapes that are declared for these inputs."""
    sizes = signature.bind(inputs)
    for spec in signature.outputs:
        shape = tuple(sizes.get(n, n) if isinstance(n, str) else n for n in spec.shape)
        given = answer[spec.name].shape
        if given != shape:
            raise Broken(
                f"{where}: output {spec.name!r} has the shape {given}, and is declared as {shape}"
            )
