"""The user's data: made into a dataset once, and again when anything it depends on changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
import parts
import pytest

from hwcore.artifacts import Cache
from hwcore.contract import Artifact, Dataset, UserError
from hwcore.data import split
from hwcore.data.store import write_info
from hwcore.workflows.data import DataRequest, open_data
from hwcore.workflows.tokenize import tokenize_ms


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def source(tiny_source: Callable[..., Artifact]) -> Artifact:
    return tiny_source("bert")


@pytest.fixture
def request_(tmp_path: Path) -> DataRequest:
    path = models.write_csv(tmp_path / "reviews.csv", models.reviews(30))
    return DataRequest(path, rows={"test": 8, "tune": 4, "calibration": 2})


def made(cache: Cache) -> list[str]:
    assert list((cache.root / "tmp").iterdir()) == [], "work was left behind"
    return sorted(path.name for path in (cache.root / "datasets").iterdir())


def test_made_once(cache: Cache, source: Artifact, request_: DataRequest) -> None:
    seen: list[float] = []
    first = open_data(request_, source, cache, progress=lambda fraction, _: seen.append(fraction))
    assert seen[-1] == 1.0
    assert dict(first.info.rows) == {"test": 8, "tune": 4, "calibration": 2}
    assert first.path == cache.path("datasets", made(cache)[0])
    second = open_data(
        request_, source, cache, progress=lambda *_: pytest.fail("it was made again")
    )
    assert second == first


def test_more_rows_are_held_out_when_asked_for(
    cache: Cache, source: Artifact, request_: DataRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(request_, rows={})
    monkeypatch.setitem(split.DEFAULT_ROWS, "test", 10)
    assert open_data(request, source, cache).count("test") == 10
    for fewer in (None, 5, 10):
        open_data(request, source, cache, test_rows=fewer)
    assert len(made(cache)) == 1
    assert open_data(request, source, cache, test_rows=15).count("test") == 15
    # A file with fewer gives what it has beside the fifths of the other roles.
    assert open_data(request, source, cache, test_rows=99).count("test") == 18
    assert len(made(cache)) == 3


def test_a_listing_says_what_it_was_made_of(
    cache: Cache, source: Artifact, request_: DataRequest
) -> None:
    open_data(request_, source, cache)
    (entry,) = cache.entries()
    assert entry.what == f"rows of {request_.path} for {source.root}"


def test_asking_counts_as_use(cache: Cache, source: Artifact, request_: DataRequest) -> None:
    folder = open_data(request_, source, cache).path
    os.utime(folder, (1, 1))
    open_data(request_, source, cache)
    assert time.time() - folder.stat().st_mtime < 100


@pytest.mark.parametrize(
    "change",
    [
        {"max_length": 8},
        {"rows": {"test": 9}},
        {"text_column": "text"},
        {"label_column": "label"},
    ],
    ids=str,
)
def test_another_request_makes_another_dataset(
    cache: Cache, source: Artifact, request_: DataRequest, change: dict[str, Any]
) -> None:
    open_data(request_, source, cache)
    open_data(replace(request_, **change), source, cache)
    assert len(made(cache)) == 2


def test_so_does_another_seed_another_file_and_another_model(
    cache: Cache,
    source: Artifact,
    request_: DataRequest,
    tiny_source: Callable[..., Artifact],
) -> None:
    digests = {open_data(request_, source, cache).digest}
    digests.add(open_data(request_, source, cache, seed=1).digest)
    models.write_csv(request_.path, models.reviews(30, seed=5))
    digests.add(open_data(request_, source, cache).digest)
    digests.add(open_data(request_, tiny_source("roberta"), cache).digest)
    assert len(digests) == len(made(cache)) == 4


def test_the_order_of_roles_does_not_matter(
    cache: Cache, source: Artifact, request_: DataRequest
) -> None:
    open_data(request_, source, cache)
    backwards = dict(reversed(request_.rows.items()))
    open_data(replace(request_, rows=backwards), source, cache)
    assert len(made(cache)) == 1


def test_a_damaged_dataset_is_made_again(
    cache: Cache, source: Artifact, request_: DataRequest
) -> None:
    first = open_data(request_, source, cache)
    os.truncate(first.path / "test" / "labels.npy", 10)
    assert open_data(request_, source, cache).digest == first.digest
    assert len(made(cache)) == 1


def test_a_bad_file_leaves_nothing_behind(
    cache: Cache, source: Artifact, request_: DataRequest
) -> None:
    with pytest.raises(UserError, match="has no column 'words'"):
        open_data(replace(request_, text_column="words"), source, cache)
    assert made(cache) == []


def test_a_dataset_made_earlier_is_taken_as_it_is(
    tmp_path: Path, cache: Cache, source: Artifact
) -> None:
    dataset = parts.dataset(tmp_path / "data", {"test": 5})
    assert open_data(DataRequest(tmp_path / "data"), source, cache) == dataset
    assert made(cache) == []


def test_a_dataset_of_another_model_is_taken_where_classes_differ_in_case_alone(
    tmp_path: Path, cache: Cache, source: Artifact
) -> None:
    dataset = relabelled(tmp_path / "data", labels=("Negative ", "POSITIVE"))
    assert open_data(DataRequest(tmp_path / "data"), source, cache) == dataset
    bare = parts.dataset(tmp_path / "bare", {"test": 5}, labelled=False)
    assert open_data(DataRequest(tmp_path / "bare"), source, cache) == bare


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "image-classification"},
            "was made for image-classification, and the model is for text-classification",
        ),
        ({"labels": ("a", "b", "c")}, "has 3 classes, and the model knows 2"),
        (
            {"labels": ("positive", "negative")},
            "calls class 0 'positive', and the model calls it 'negative': id2label in its "
            "config.json",
        ),
    ],
    ids=["task", "number", "order"],
)
def test_a_dataset_for_other_models_is_refused(
    tmp_path: Path, cache: Cache, source: Artifact, changes: dict[str, Any], message: str
) -> None:
    relabelled(tmp_path / "data", **changes)
    with pytest.raises(UserError) as caught:
        open_data(DataRequest(tmp_path / "data"), source, cache)
    assert caught.value.message == f"{tmp_path / 'data'} {message}"
    assert caught.value.hint == (
        "Give the file or folder that it was made of: rows are then made for this model."
    )


def relabelled(folder: Path, **changes: Any) -> Dataset:
    """A dataset of two classes that says something else of itself."""
    made = parts.dataset(folder, {"test": 5})
    return made.model_copy(
        update={"info": write_info(folder, made.info.model_copy(update=changes))}
    )


def test_a_file_that_is_not_there(tmp_path: Path, cache: Cache, source: Artifact) -> None:
    with pytest.raises(UserError, match=r"gone.csv is not there") as caught:
        open_data(DataRequest(tmp_path / "gone.csv"), source, cache)
    assert caught.value.hint == "--data takes a file or a folder."


def test_a_folder_is_not_walked_for_a_model_of_texts(
    tmp_path: Path, cache: Cache, source: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("it was walked"))
    with pytest.raises(UserError, match=f"{tmp_path} is not a CSV, TSV or JSONL file") as caught:
        open_data(DataRequest(tmp_path), source, cache)
    assert "Give a CSV, TSV or JSONL file with a column of texts" in (caught.value.hint or "")


def test_a_pipe_and_a_device_are_refused(tmp_path: Path, cache: Cache, source: Artifact) -> None:
    pipe = tmp_path / "rows.csv"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"rows.csv is a pipe, expected a file"):
        open_data(DataRequest(pipe), source, cache)
    with pytest.raises(UserError, match="/dev/zero is a device, expected a file"):
        open_data(DataRequest(Path("/dev/zero")), source, cache)


class TestTokenizeTime:
    def test_of_the_users_own_texts(
        self, cache: Cache, source: Artifact, request_: DataRequest
    ) -> None:
        milliseconds = tokenize_ms(source, open_data(request_, source, cache))
        assert milliseconds is not None
        assert 0 < milliseconds < 1000

    def test_without_labels_there_are_no_tune_rows_and_it_is_told_all_the_same(
        self, tmp_path: Path, cache: Cache, source: Artifact
    ) -> None:
        bare = [{"text": row["text"]} for row in models.reviews(30)]
        path = models.write_csv(tmp_path / "bare.csv", bare)
        data = open_data(DataRequest(path), source, cache)
        assert data.count("tune") == 0
        assert tokenize_ms(source, data) is not None

    def test_not_without_data(self, source: Artifact) -> None:
        assert tokenize_ms(source, None) is None
