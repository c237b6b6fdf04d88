"""The user's file becomes a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from hwcore.artifacts.files import refuse_endless
from hwcore.contract import Array, Artifact, Dataset, DatasetInfo, Metric, Role, UserError
from hwcore.data.images import Images
from hwcore.data.labels import first_difference
from hwcore.data.layout import VISIBLE, role_folder
from hwcore.data.material import Material, classes
from hwcore.data.metrics import METRICS
from hwcore.data.split import choose
from hwcore.data.store import new_folder, write_info
from hwcore.data.texts import Texts
from hwcore.data.words import counted
from hwcore.data.writer import write_rows

CHUNK = 64
Progress = Callable[[float, str], None]
"""Told how far the work is, 0 to 1, and what it is doing."""


def build_dataset(
    data: Path,
    source: Artifact,
    *,
    out: Path,
    text_column: str | None = None,
    label_column: str | None = None,
    max_length: int | None = None,
    rows: Mapping[Role, int] | None = None,
    test_rows: int | None = None,
    train: bool = False,
    metric: str = "accuracy",
    seed: int = 0,
    progress: Progress | None = None,
) -> Dataset:
    """Make a dataset of a CSV, TSV or JSONL file, or a folder of images, for one model.

    Texts are tokenized with the model's own tokenizer and cut at ``max_length`` tokens, by
    default 128 or the model's maximum if that is less. A column that is not named is found by
    its usual names (`hwcore.data.columns`). Labels are names or ids that the model knows; a
    file without, or a model that does not classify, gives a dataset without labels or metric.

    ``rows`` says how many rows each role gets; see `hwcore.data.split.choose` for the default,
    in which ``test_rows`` is the most that the role test gets, and only with ``train`` there are
    rows to learn from: all that are left.
    They are drawn at random by ``seed``, and rows with equal content never get two roles:
    only one of them is taken. Equal arguments give equal datasets.

    ``out`` must be new or empty; it appears whole or not at all. Raises `UserError` that says
    which file, line or folder is at fault.
    """
    progress = progress or _silent
    if metric not in METRICS:
        raise UserError(f"there is no metric {metric!r}", hint=f"There are {', '.join(METRICS)}.")
    check_kind(data, source)
    progress(0.0, f"reading {data.name}")
    material = _open(data, source, text_column, label_column, max_length)
    progress(0.1, f"choosing among {counted(len(material), 'row')}")
    chosen = choose(material, rows, seed, test_rows=test_rows, train=train)
    labels = material.labels
    if labels is not None:
        _check_classes(data, labels, classes(source))
    info = DatasetInfo(
        task=source.task,
        columns=material.columns,
        labels=classes(source) if labels is not None else (),
        metric=Metric(name=metric) if labels is not None else None,
        rows={role: len(ids) for role, ids in chosen.items()},
        seed=seed,
    )
    total = sum(info.rows.values())
    done = 0

    def encoded(ids: Sequence[int]) -> Iterator[dict[str, list[Array]]]:
        nonlocal done
        for begin in range(0, len(ids), CHUNK):
            part = ids[begin : begin + CHUNK]
            yield material.inputs(part)
            done += len(part)
            progress(1 - 0.7 * (1 - done / total), f"{done} of {counted(total, 'row')}")

    with new_folder(out) as work:
        (work / VISIBLE).mkdir()
        for role, ids in chosen.items():
            write_rows(
                role_folder(work, role),
                material.columns,
                encoded(ids),
                ids=ids,
                labels=None if labels is None else [labels[row] for row in ids],
            )
        sealed = write_info(work, info)
    return Dataset(path=out.absolute(), info=sealed)


def check_kind(data: Path, source: Artifact) -> None:
    """Refuse what is not there, or not of the kind that the model needs, without reading it.

    Raises `UserError`.
    """
    if not data.exists():
        raise UserError(f"{data} is not there", hint="Name a file or a folder with data.")
    refuse_endless(data)
    takes_images = _takes_images(source)
    if takes_images != data.is_dir():
        kind, contents = (
            ("a folder of images", "one subfolder per class, or images without labels")
            if takes_images
            else ("a CSV, TSV or JSONL file", "a column of texts, and one of labels if there are")
        )
        raise UserError(
            f"{data} is not {kind}, which this {source.task} model needs",
            # No way out for a classifier: made-up inputs hardly prove that it keeps its accuracy.
            hint=f"Give {kind} with {contents}"
            + ("." if classes(source) else ", or leave --data out: inputs are then made up."),
        )


def check_made_for(dataset: Dataset, source: Artifact) -> None:
    """Refuse a dataset that was made for a model of another task, or with other classes.

    Raises `UserError`.
    """
    info, known = dataset.info, classes(source)
    again = "Give the file or folder that it was made of: rows are then made for this model."
    if info.task != source.task:
        raise UserError(
            f"{dataset.path} was made for {info.task}, and the model is for {source.task}",
            hint=again,
        )
    if not info.labels or not known:
        return
    if len(info.labels) != len(known):
        raise UserError(
            f"{dataset.path} has {len(info.labels)} classes, and the model knows {len(known)}",
            hint=again,
        )
    differing = first_difference(info.labels, known)
    if differing is not None:
        raise UserError(
            f"{dataset.path} calls class {differing} {info.labels[differing]!r}, and the model "
            f"calls it {known[differing]!r}: id2label in its config.json",
            hint=again,
        )


def _takes_images(source: Artifact) -> bool:
    return source.component().signature.inputs[0].name == "pixel_values"


def _open(
    data: Path,
    source: Artifact,
    text_column: str | None,
    label_column: str | None,
    max_length: int | None,
) -> Material:
    if _takes_images(source):
        return Images(data, source)
    return Texts(
        data,
        source,
        text_column=text_column,
        label_column=label_column,
        max_length=max_length,
    )


def _check_classes(data: Path, labels: Sequence[int], names: Sequence[str]) -> None:
    """Refuse labels of one class: a model that always says it would be right everywhere."""
    if len(set(labels)) == 1:
        raise UserError(
            f"{data} has the label {names[labels[0]]!r} in every row: accuracy on one class "
            "says nothing of the others",
            hint="Give rows of at least two classes, or rows without labels, which are judged by "
            "agreement with the original.",
        )


def _silent(fraction: float, message: str) -> None:
    """Nobody wants to know."""
