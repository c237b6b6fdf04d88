"""The tokenizer gives what transformers' own gives, without importing it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import models
import pytest

from hwcore.contract import Artifact, Dim, UserError
from hwcore.transformers import load_tokenizer

Sources = Callable[..., Artifact]
TEXTS = ["a good film", "the plot was very very thin!", "Ünïcode 日本 🎬 <s> [SEP]", "x"]


@pytest.mark.parametrize("family", models.TEXT_FAMILIES)
def test_equals_transformers(family: models.Family, tiny_source: Sources) -> None:
    from transformers import AutoTokenizer

    source = tiny_source(family)
    signature = source.component().signature
    tokenizer = load_tokenizer(source.root, signature)
    theirs = AutoTokenizer.from_pretrained(source.root)
    expected = theirs(TEXTS, truncation=True)
    found = tokenizer(TEXTS)
    assert list(found) == [spec.name for spec in signature.inputs]
    assert found == {name: expected[name] for name in found}
    assert tokenizer.pads["input_ids"] == theirs.pad_token_id


def test_minilm_equals_transformers(minilm_source: Artifact) -> None:
    """Its tokenizer.json comes with a truncation to 128 and padding, which must not stay."""
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(minilm_source.root)
    tokenizer = load_tokenizer(minilm_source.root, minilm_source.component().signature)
    text = "one " * 300
    assert tokenizer([text])["input_ids"] == [theirs(text)["input_ids"]]
    assert [len(row) for row in tokenizer([text, "one"])["input_ids"]] == [302, 3]
    assert tokenizer.max_length == 512


def test_a_model_without_a_maximum_cuts_nothing(minilm_source: Artifact) -> None:
    signature = minilm_source.component().signature
    endless = signature.model_copy(update={"dims": (Dim(name="batch"), Dim(name="sequence"))})
    tokenizer = load_tokenizer(minilm_source.root, endless)
    assert tokenizer.max_length is None
    assert len(tokenizer(["one " * 600])["input_ids"][0]) == 602


def test_cuts_at_the_smaller_of_two_limits(tiny_source: Sources) -> None:
    source = tiny_source("roberta")
    signature = source.component().signature
    text = "film " * 100
    for asked, limit in ((None, 62), (10, 10), (500, 62)):
        tokenizer = load_tokenizer(source.root, signature, max_length=asked)
        [ids] = tokenizer([text])["input_ids"]
        assert (len(ids), ids[0], ids[-1]) == (limit, 0, 2)  # <s> and </s> survive the cut
        assert tokenizer.max_length == limit
    with pytest.raises(UserError, match="max_length 2 leaves no room for text, special tokens"):
        load_tokenizer(source.root, signature, max_length=2)


def test_decodes(tiny_source: Sources) -> None:
    source = tiny_source("bert")
    tokenizer = load_tokenizer(source.root, source.component().signature)
    [ids] = tokenizer(["a good film"])["input_ids"]
    assert tokenizer.decode(ids) == "a good film"


def test_several_threads(tiny_source: Sources) -> None:
    source = tiny_source("bert")
    tokenizer = load_tokenizer(source.root, source.component().signature)
    expected = tokenizer(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(tokenizer, [TEXTS] * 50))


def test_older_files_are_converted(tiny_source: Sources, tmp_path: Path) -> None:
    source = tiny_source("bert")
    folder = tmp_path / "model"
    shutil.copytree(source.root, folder)
    tokens = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(tokens, key=tokens.get)) + "\n")
    (folder / "tokenizer.json").unlink()
    signature = source.component().signature
    assert load_tokenizer(folder, signature)(TEXTS) == load_tokenizer(source.root, signature)(TEXTS)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("tokenizer_config.json", {"pad_token": "[SEP]"}, 3),
        ("tokenizer_config.json", {"pad_token": {"content": "[SEP]"}}, 3),
        ("special_tokens_map.json", {"pad_token": "[SEP]"}, 3),
        ("config.json", {"pad_token_id": 3}, 3),
        ("tokenizer_config.json", {"pad_token": "no such token"}, 0),
        ("tokenizer_config.json", {}, 0),
    ],
)
def test_finds_the_padding_token(
    tiny_source: Sources, tmp_path: Path, name: str, content: dict[str, object], expected: int
) -> None:
    source = tiny_source("bert")
    shutil.copy(source.root / "tokenizer.json", tmp_path)
    (tmp_path / name).write_text(json.dumps(content))
    tokenizer = load_tokenizer(tmp_path, source.component().signature)
    assert tokenizer.pads == {"input_ids": expected, "attention_mask": 0, "token_type_ids": 0}


def test_no_tokenizer(tiny_source: Sources, tmp_path: Path) -> None:
    source = tiny_source("bert")
    shutil.copy(source.root / "config.json", tmp_path)
    with pytest.raises(UserError) as caught:
        load_tokenizer(tmp_path, source.component().signature)
    assert caught.value.message == f"{tmp_path} has no fast tokenizer"
    assert caught.value.hint == "Put the model's tokenizer.json into the folder."


def test_a_damaged_tokenizer(tiny_source: Sources, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read: "):
        load_tokenizer(tmp_path, tiny_source("bert").component().signature)
