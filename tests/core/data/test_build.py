"""From the user's file to a dataset, with real models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwcore.contract import Artifact, Dataset, Metric, UserError
from hwcore.data import batches, build_dataset, read_dataset
from hwcore.transformers import load_tokenizer, read_source

Sources = Callable[..., Artifact]
REVIEWS = models.reviews(60)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return models.write_csv(tmp_path / "reviews.csv", REVIEWS)


def rows_of(data: Dataset, role: Any) -> dict[int, tuple[list[int], int | None]]:
    """Token ids without padding, and label, by row."""
    found = {}
    for batch in batches(data, role, batch_size=1):
        keep = batch.inputs["attention_mask"][0].astype(bool)
        label = None if batch.labels is None else int(batch.labels[0])
        found[int(batch.rows[0])] = (batch.inputs["input_ids"][0][keep].tolist(), label)
    return found


@pytest.mark.parametrize("family", models.TEXT_FAMILIES)
def test_texts(family: models.Family, tiny_source: Sources, csv_file: Path, tmp_path: Path) -> None:
    source = tiny_source(family)
    data = build_dataset(csv_file, source, out=tmp_path / "data")
    assert read_dataset(tmp_path / "data", verify=True) == data
    assert data.info.task == "text-classification"
    assert data.info.labels == ("negative", "positive")
    assert data.info.metric == Metric(name="accuracy")
    assert data.info.rows == {"test": 36, "tune": 12, "calibration": 12}
    assert list(data.info.columns) == [s.name for s in source.component().signature.inputs]
    assert data.info.columns["input_ids"].pad == (1 if family == "roberta" else 0)
    tokenizer = load_tokenizer(source.root, source.component().signature)
    seen: set[int] = set()
    for role in ("test", "tune", "calibration"):
        found = rows_of(data, role)
        assert not seen & set(found)
        seen |= set(found)
        for row, (ids, label) in found.items():
            assert [ids] == tokenizer([REVIEWS[row]["text"]])["input_ids"]
            assert label == models.LABELS.index(REVIEWS[row]["label"])
    assert seen == set(range(60))


def test_jsonl_with_ids_gives_the_same(
    tiny_source: Sources, csv_file: Path, tmp_path: Path
) -> None:
    rows = [r | {"label": models.LABELS.index(r["label"])} for r in REVIEWS]
    path = models.write_jsonl(tmp_path / "reviews.jsonl", rows)
    source = tiny_source("bert")
    from_csv = build_dataset(csv_file, source, out=tmp_path / "a", seed=3)
    from_jsonl = build_dataset(path, source, out=tmp_path / "b", seed=3)
    assert from_csv.info == from_jsonl.info


def test_equal_arguments_give_equal_datasets(
    tiny_source: Sources, csv_file: Path, tmp_path: Path
) -> None:
    source = tiny_source("bert")
    first = build_dataset(csv_file, source, out=tmp_path / "a")
    assert build_dataset(csv_file, source, out=tmp_path / "b").digest == first.digest
    assert build_dataset(csv_file, source, out=tmp_path / "c", seed=1).digest != first.digest
    short = build_dataset(csv_file, source, out=tmp_path / "d", max_length=8)
    assert short.digest != first.digest
    assert max(len(ids) for ids, _ in rows_of(short, "test").values()) == 8


def test_asked_for(tiny_source: Sources, csv_file: Path, tmp_path: Path) -> None:
    told: list[float] = []
    data = build_dataset(
        csv_file,
        tiny_source("bert"),
        out=tmp_path / "data",
        rows={"train": 20, "calibration": 3, "test": 30},
        metric="f1",
        progress=lambda fraction, message: told.append(fraction),
    )
    assert data.info.rows == {"test": 30, "calibration": 3, "train": 20}
    assert data.info.metric == Metric(name="f1")
    assert told == sorted(told)
    assert told[-1] == 1


def test_long_texts_are_cut_at_128_tokens(minilm_source: Artifact, tmp_path: Path) -> None:
    rows = [{"text": f"{number} " + "word " * 300} for number in range(9)]
    path = models.write_csv(tmp_path / "long.csv", rows)
    data = build_dataset(path, minilm_source, out=tmp_path / "data")
    assert {len(ids) for ids, _ in rows_of(data, "test").values()} == {128}


def test_without_labels(
    tiny_source: Sources, minilm_source: Artifact, csv_file: Path, tmp_path: Path
) -> None:
    """A model that does not classify has no use for labels; a file may have none."""
    bare = models.write_csv(tmp_path / "bare.csv", [{"text": row["text"]} for row in REVIEWS])
    for name, path, source in (
        ("a", csv_file, minilm_source),
        ("b", bare, minilm_source),
        ("c", bare, tiny_source("bert")),
    ):
        data = build_dataset(path, source, out=tmp_path / name)
        assert data.info.metric is None
        assert data.info.labels == ()
        assert data.info.rows == {"test": 48, "calibration": 12}
        assert next(batches(data, "test", batch_size=4)).labels is None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.integers(0, 9), min_size=1, max_size=30), seed=st.integers(0, 3))
def test_no_text_is_in_two_roles(
    tiny_source: Sources, tmp_path: Path, texts: list[int], seed: int
) -> None:
    """Nor are texts that are alike once they are cut, as the model cannot tell them apart."""
    words = [f"{models.WORDS[value]} film {'very ' * 9}{i}" for i, value in enumerate(texts)]
    rows = [{"text": word, "label": i % 2} for i, word in enumerate(words)]
    path = models.write_csv(tmp_path / "a.csv", rows)
    out = tmp_path / "data"
    shutil.rmtree(out, ignore_errors=True)
    distinct = len(set(texts))
    if distinct < 5:
        with pytest.raises(UserError, match=f"has {distinct} distinct row"):
            build_dataset(path, tiny_source("bert"), out=out, max_length=9, seed=seed)
        assert not out.exists()
        return
    data = build_dataset(path, tiny_source("bert"), out=out, max_length=9, seed=seed)
    taken = [tuple(ids) for role in data.info.rows for ids, _ in rows_of(data, role).values()]
    assert len(taken) == len(set(taken)) == distinct


def test_images(tiny_source: Sources, tmp_path: Path) -> None:
    folder = models.write_images(tmp_path / "images", 30)
    (folder / "README.txt").write_text("not an image")
    shutil.copy(folder / "negative" / "0000.png", folder / "positive" / "copy.png")
    data = build_dataset(folder, tiny_source("vit"), out=tmp_path / "data", seed=2)
    assert data.info.labels == ("negative", "positive")
    assert data.info.rows == {"test": 18, "tune": 6, "calibration": 6}
    files = sorted(folder.rglob("*.png"))
    signature = tiny_source("vit").component().signature
    for batch in batches(data, "test", batch_size=5, signature=signature):
        signature.bind(batch.inputs)
        assert -1 <= batch.inputs["pixel_values"].min() < -0.5
        assert batch.labels is not None
        for row, label in zip(batch.rows, batch.labels, strict=True):
            assert files[row].parent.name == models.LABELS[label]


def test_images_without_labels(tiny_source: Sources, tmp_path: Path) -> None:
    folder = models.write_images(tmp_path / "images", 10, labels=["."])
    data = build_dataset(folder, tiny_source("vit"), out=tmp_path / "a")
    assert data.info.rows == {"test": 8, "calibration": 2}
    assert data.info.metric is None
    classes = models.write_images(tmp_path / "classes", 10, labels=["cat", "dog"])
    source = tiny_source("vit", "feature-extraction")
    assert build_dataset(classes, source, out=tmp_path / "b").info.labels == ()


def refused(data: Path, source: Artifact, tmp_path: Path, **options: Any) -> UserError:
    """Build, expect a refusal that leaves nothing behind, and give it."""
    (tmp_path / "place").mkdir()
    with pytest.raises(UserError) as caught:
        build_dataset(data, source, out=tmp_path / "place" / "data", **options)
    assert list((tmp_path / "place").iterdir()) == []
    return caught.value


def test_rows_without_text(tiny_source: Sources, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\ngood,0\n  ,1\n\nbad,1\n,0\n")
    error = refused(path, tiny_source("bert"), tmp_path)
    assert error.message == f"{path} has 3 of 5 rows without text in column 'text': line 3, 4, 6"
    assert error.hint == "Delete those rows, or fill them in."


def test_many_rows_without_text(tiny_source: Sources, tmp_path: Path) -> None:
    path = models.write_jsonl(tmp_path / "a.jsonl", [{"text": None}, {"x": "y"}] * 50)
    error = refused(path, tiny_source("bert"), tmp_path)
    assert "has 100 of 100 rows without text in column 'text': line 1, 2, 3, 4, 5 …" in str(error)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": 3, "label": 0}, "line 2: column 'text' holds 3, expected text"),
        ({"text": "\ud800", "label": 0}, "line 2: half of a UTF-16 pair, not a character"),
        ({"text": "b", "label": "neutral"}, "line 2: the model does not know the label 'neutral'"),
        ({"text": "b"}, "line 2: the label is empty"),
    ],
)
def test_a_row_that_cannot_be(
    tiny_source: Sources, tmp_path: Path, row: dict[str, Any], why: str
) -> None:
    path = models.write_jsonl(tmp_path / "a.jsonl", [{"text": "a", "label": 0}, row])
    assert refused(path, tiny_source("bert"), tmp_path).message == f"{path}, {why}"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"text_column": "Review"}, "has no column 'Review'"),
        ({"label_column": "stars"}, "has no column 'stars'"),
        ({"rows": {"test": 61}}, "has 60 distinct rows (60 in all), but 61 are asked for: test 61"),
        ({"metric": "bleu"}, "there is no metric 'bleu'"),
        ({"max_length": 2}, "max_length 2 leaves no room for text"),
    ],
)
def test_requests_that_cannot_be(
    tiny_source: Sources, csv_file: Path, tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    assert why in refused(csv_file, tiny_source("bert"), tmp_path, **options).message


def test_one_column_cannot_be_texts_and_labels(
    tiny_source: Sources, csv_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="column 'label' is taken for the texts and for the labels"):
        build_dataset(csv_file, tiny_source("bert"), out=tmp_path / "out", text_column="label")


def test_labels_for_a_model_that_has_none(
    minilm_source: Artifact, csv_file: Path, tmp_path: Path
) -> None:
    error = refused(csv_file, minilm_source, tmp_path, label_column="label")
    assert error.message == "the model's task is feature-extraction, which has no labels"
    assert error.hint == (
        "Leave --label-column out: outputs are then compared with the original's."
    )


def test_one_label_for_all_rows(
    tiny_source: Sources, minilm_source: Artifact, tmp_path: Path
) -> None:
    rows = [row | {"label": "positive"} for row in REVIEWS]
    path = models.write_csv(tmp_path / "same.csv", rows)
    error = refused(path, tiny_source("bert"), tmp_path)
    assert error.message == (
        f"{path} has the label 'positive' in every row: accuracy on one class says nothing of "
        "the others"
    )
    assert error.hint == (
        "Give rows of at least two classes, or rows without labels, which are judged by agreement "
        "with the original."
    )
    assert build_dataset(path, minilm_source, out=tmp_path / "data").info.labels == ()
    folder = models.write_images(tmp_path / "images", 10, labels=["negative"])
    (tmp_path / "place").rmdir()
    error = refused(folder, tiny_source("vit"), tmp_path)
    assert "has the label 'negative' in every row" in error.message


def test_data_of_the_other_kind(tiny_source: Sources, csv_file: Path, tmp_path: Path) -> None:
    error = refused(csv_file, tiny_source("vit"), tmp_path)
    assert error.message == (
        f"{csv_file} is not a folder of images, which this image-classification model needs"
    )
    assert error.hint == (
        "Give a folder of images with one subfolder per class, or images without labels."
    )
    shutil.rmtree(tmp_path / "place")
    error = refused(tmp_path / "place", tiny_source("bert"), tmp_path)
    assert "is not a CSV, TSV or JSONL file, which this text-classification" in error.message
    assert error.hint == (
        "Give a CSV, TSV or JSONL file with a column of texts, and one of labels if there are."
    )
    shutil.rmtree(tmp_path / "place")
    error = refused(csv_file, tiny_source("vit", "feature-extraction"), tmp_path)
    assert str(error.hint).endswith(", or leave --data out: inputs are then made up.")
    shutil.rmtree(tmp_path / "place")
    error = refused(tmp_path / "gone", tiny_source("bert"), tmp_path)
    assert error.message == f"{tmp_path / 'gone'} is not there"


def test_folders_that_are_no_images(tiny_source: Sources, tmp_path: Path) -> None:
    source = tiny_source("vit")
    folder = tmp_path / "images"
    folder.mkdir()
    assert refused(folder, source, tmp_path).message == f"{folder} has no images"
    models.write_images(folder, 2)
    shutil.copy(folder / "negative" / "0000.png", folder)
    (tmp_path / "place").rmdir()
    assert "has images at several levels" in refused(folder, source, tmp_path).message
    (folder / "0000.png").unlink()
    (folder / "positive").rename(folder / "neutral")
    (tmp_path / "place").rmdir()
    error = refused(folder, source, tmp_path)
    assert error.message == "folder neutral: the model does not know the label 'neutral'"


def test_a_damaged_image(tiny_source: Sources, tmp_path: Path) -> None:
    folder = models.write_images(tmp_path / "images", 6)
    victim = folder / "negative" / "0002.png"
    victim.write_bytes(victim.read_bytes()[:64])
    error = refused(folder, tiny_source("vit"), tmp_path)
    assert error.message.startswith(f"{victim} is not an image that can be read")


def test_an_output_that_is_taken(tiny_source: Sources, csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "theirs").write_text("")
    with pytest.raises(UserError, match="is there already"):
        build_dataset(csv_file, tiny_source("bert"), out=tmp_path / "data")


def test_nothing_heavy_is_imported(tiny: Callable[..., Path], tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path\n"
        "import hwcore.data, hwcore.transformers\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'PIL', 'ml_dtypes'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "source = hwcore.transformers.read_source(Path(sys.argv[1]), into=Path(sys.argv[3]))\n"
        "hwcore.data.build_dataset(Path(sys.argv[2]), source, out=Path(sys.argv[4]))\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    path = models.write_csv(tmp_path / "a.csv", REVIEWS)
    arguments = [tiny("bert"), path, tmp_path / "into", tmp_path / "data"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n[]\n"


def test_labels_follow_the_models_order(
    tiny: Callable[..., Path], csv_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny("bert"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "POSITIVE", "1": "NEGATIVE"}
    (folder / "config.json").write_text(json.dumps(config))
    source = read_source(folder, into=tmp_path / "into")
    data = build_dataset(csv_file, source, out=tmp_path / "data")
    for row, (_, label) in rows_of(data, "test").items():
        assert label == ["positive", "negative"].index(REVIEWS[row]["label"])
    assert data.info.labels == ("POSITIVE", "NEGATIVE")
    assert np.unique([label for _, label in rows_of(data, "test").values()]).tolist() == [0, 1]
