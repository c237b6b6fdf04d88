"""Reading a model: what comes out, and what is refused."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest

from hwcore.contract import Artifact, ArtifactManifest, Dim, Integers, Mask, Normal, UserError
from hwcore.transformers import read_source

Build = Callable[..., Path]
Edit = Callable[..., Path]


@pytest.fixture
def edited(tiny: Build, tmp_path: Path) -> Edit:
    """``edited(family, key=value, …)``: a copy of a model with other values in its config."""

    def edit(family: str, file: str = "config.json", **changes: Any) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(tiny(family), folder, dirs_exist_ok=True)
        config = json.loads((folder / file).read_text())
        config |= changes
        kept = {key: value for key, value in config.items() if value != "REMOVE"}
        (folder / file).write_text(json.dumps(kept))
        return folder

    return edit


def refused(folder: Path | str, tmp_path: Path, **options: Any) -> UserError:
    """Read, expect a refusal that leaves nothing behind, and give it."""
    into = tmp_path / "into"
    with pytest.raises(UserError) as caught:
        read_source(folder, into=into, **options)
    assert not into.exists()
    return caught.value


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_text_signature(family: str, tiny_source: Callable[..., Artifact]) -> None:
    source = tiny_source(family)
    signature = source.component().signature
    assert source.format == "transformers"
    assert source.task == "text-classification"
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if family == "bert" else [])]
    assert [spec.name for spec in signature.inputs] == names
    assert {spec.dtype for spec in signature.inputs} == {"int64"}
    assert {spec.shape for spec in signature.inputs} == {("batch", "sequence")}
    assert isinstance(signature.inputs[0].fill, Integers)
    assert signature.inputs[1].fill == Mask()
    # RoBERTa counts positions from its padding id on: 64 rows of its table hold 62 tokens.
    longest = 62 if family == "roberta" else 64
    assert signature.dims == (Dim(name="batch"), Dim(name="sequence", max=longest))
    assert signature.outputs[0].name == "logits"
    assert signature.outputs[0].shape == ("batch", 2)


def test_image_signature(tiny_source: Callable[..., Artifact]) -> None:
    signature = tiny_source("vit", "feature-extraction").component().signature
    assert signature.inputs[0].name == "pixel_values"
    assert signature.inputs[0].shape == ("batch", 3, 32, 32)
    assert signature.inputs[0].fill == Normal()
    assert signature.outputs[0].name == "last_hidden_state"
    assert signature.outputs[0].shape == ("batch", 4 * 4 + 1, 32)
    assert signature.dims == (Dim(name="batch"),)


@pytest.mark.parametrize("version", ["ConvNext", "ConvNextV2"])
def test_of_models_with_feature_maps_the_classifiers_are_read(version: Any, tmp_path: Path) -> None:
    folder = models.convnext(tmp_path / "model", version=version)
    source = read_source(folder, into=tmp_path / "into")
    assert source.task == "image-classification"
    assert source.manifest.facts["model_type"] == version.lower()
    signature = source.component().signature
    assert [spec.shape for spec in signature.inputs] == [("batch", 3, 32, 32)]
    assert [spec.shape for spec in signature.outputs] == [("batch", 2)]
    assert signature.dims == (Dim(name="batch"),)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [f"{version}Model"]}))
    shutil.rmtree(tmp_path / "into")
    error = refused(folder, tmp_path)
    assert error.message == f"the architecture {version}Model is not supported"
    assert f"{version} (ForImageClassification)" in str(error.hint)


def test_minilm(minilm_source: Artifact) -> None:
    assert minilm_source.task == "feature-extraction"
    assert minilm_source.manifest.facts == {
        "architecture": "BertModel",
        "model_type": "bert",
        "parameters": 22_713_216,
        "weight_bytes": 4 * 22_713_216,
        "bits_per_weight": 32.0,
    }
    assert minilm_source.component().signature.outputs[0].shape == ("batch", "sequence", 384)
    assert sorted(minilm_source.manifest.files) == [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_the_artifact_refers_to_the_folder(tiny: Build, tmp_path: Path) -> None:
    folder = tiny("bert")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    source = read_source(folder, into=tmp_path / "into")
    assert source.root == folder
    sealed = (source.path / "artifact.json").read_text()
    assert ArtifactManifest.model_validate_json(sealed) == source.manifest
    assert source.manifest.facts["labels"] == ["negative", "positive"]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    again = read_source(str(folder), into=tmp_path / "again")
    assert again.digest == source.digest


def test_the_digest_follows_the_content(edited: Edit, tiny: Build, tmp_path: Path) -> None:
    plain = read_source(tiny("bert"), into=tmp_path / "a")
    other = read_source(edited("bert", layer_norm_eps=1e-5), into=tmp_path / "b")
    assert other.digest != plain.digest


def test_reads_a_sharded_checkpoint(tmp_path: Path) -> None:
    import models

    folder = models.tiny("bert", tmp_path / "model", max_shard_size="30KB")
    source = read_source(folder, into=tmp_path / "into")
    weights = [name for name in source.manifest.files if name.endswith(".safetensors")]
    assert len(weights) > 1
    assert "model.safetensors.index.json" in source.manifest.files
    whole = read_source(models.tiny("bert", tmp_path / "whole"), into=tmp_path / "b")
    assert source.manifest.facts == whole.manifest.facts


def test_the_tokenizer_may_take_segments_away(edited: Edit, tmp_path: Path) -> None:
    folder = edited(
        "bert", "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"]
    )
    signature = read_source(folder, into=tmp_path / "into").component().signature
    assert [spec.name for spec in signature.inputs] == ["input_ids", "attention_mask"]


def test_one_segment_is_no_input(edited: Edit, tmp_path: Path) -> None:
    signature = read_source(edited("bert", type_vocab_size=1), into=tmp_path / "into").component()
    assert len(signature.signature.inputs) == 2


def test_reading_imports_neither_torch_nor_transformers(tiny: Build, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hwcore.transformers import *; "
        "source = read_source(Path(sys.argv[1]), into=Path(sys.argv[2])); "
        "tokenizer = load_tokenizer(source.root, source.component().signature); "
        "tokenizer(['a good film']); "
        "print(sorted({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny("bert")), str(tmp_path / "into")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_no_folder(tmp_path: Path) -> None:
    error = refused(tmp_path / "gone", tmp_path)
    assert error.message == f"{tmp_path / 'gone'} is not there"
    assert error.hint == "Name a folder that holds a model."


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    error = refused(tmp_path / "model", tmp_path)
    assert error.message.endswith("is a file")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    error = refused(tmp_path / "model", tmp_path)
    assert error.message.endswith("is not a model: it has no config.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds a list, expected a JSON object"),
        ("1", "holds a number, expected a JSON object"),
        ("null", "holds null, expected a JSON object"),
        ("[" * 200_000, "is not valid JSON: it is nested too deeply"),
    ],
)
def test_a_config_that_is_none(edited: Edit, tmp_path: Path, text: str, why: str) -> None:
    folder = edited("bert")
    (folder / "config.json").write_text(text)
    error = refused(folder, tmp_path)
    assert error.message.startswith(f"{folder / 'config.json'} {why}")
    assert error.hint == "Download or save the model again."


def test_an_endless_config_is_not_read(edited: Edit, tmp_path: Path) -> None:
    folder = edited("bert")
    with (folder / "config.json").open("ab") as file:
        file.truncate(1 << 40)  # a sparse file: nothing is written
    assert refused(folder, tmp_path).message.endswith("is larger than 64 MiB")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architectures": ["T5Model"]}, "the architecture T5Model is not supported"),
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM is not supported"),
        ({"architectures": ["BertForImageClassification"]}, "is not supported"),
    ],
)
def test_an_unknown_architecture(
    edited: Edit, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    error = refused(edited("bert", **changes), tmp_path)
    assert why in error.message
    assert "feature-extraction, image-classification, text-classification" in str(error.hint)
    assert "Bert (Model, ForSequenceClassification)" in str(error.hint)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architectures": "REMOVE"}, "names None as architectures"),
        ({"architectures": []}, r"names [] as architectures"),
        ({"architectures": ["BertModel", "ViTModel"]}, "expected a list with one name"),
        ({"model_type": "roberta"}, "but the architecture BertForSequenceClassification is of"),
        ({"vocab_size": "REMOVE"}, "config.json lacks 'vocab_size'"),
        ({"vocab_size": -3}, "config.json has -3 as 'vocab_size'"),
        ({"vocab_size": True}, "config.json has True as 'vocab_size'"),
        ({"max_position_embeddings": "many"}, "config.json has 'many' as"),
        ({"id2label": {"1": "a", "2": "b"}}, "does not number its labels 0, 1, 2"),
        ({"id2label": {"0": "score"}}, "is trained for regression"),
        ({"problem_type": "regression"}, "is trained for regression"),
        ({"problem_type": "multi_label_classification"}, "trained for multi label classification"),
        ({"quantization_config": {"quant_method": "gptq"}}, "is quantized already (gptq)"),
    ],
)
def test_a_config_that_cannot_be_used(
    edited: Edit, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    assert why in refused(edited("bert", **changes), tmp_path).message


@pytest.mark.parametrize("family", ["bert", "roberta", "vit"])
@pytest.mark.parametrize("junk", [None, "x", -1, 10**9, 1.5, True, [], ["x"], {}, {"x": None}])
def test_junk_is_refused_in_words(
    edited: Edit, tmp_path: Path, family: models.Family, junk: object
) -> None:
    """Whatever a config holds: an artifact or a `UserError`, nothing else."""
    folder = edited(family)
    for path in [*sorted(folder.glob("*_config.json")), folder / "config.json"]:
        text = path.read_text()
        for key in json.loads(text):
            path.write_text(json.dumps(json.loads(text) | {key: junk}))
            with contextlib.suppress(UserError):
                read_source(folder, into=tmp_path / "into")
        path.write_text(text)


def test_numbers_that_do_not_go_together(edited: Edit, tmp_path: Path) -> None:
    folder = edited("roberta", max_position_embeddings=2)
    error = refused(folder, tmp_path)
    assert error.message == (
        "config.json has max_position_embeddings 2, and padding takes 2 of them"
    )
    assert error.hint == "Mend max_position_embeddings or pad_token_id."
    folder = edited("roberta", id2label="REMOVE", num_labels=10**9)
    assert "has 1000000000 labels, expected at most" in refused(folder, tmp_path).message


def test_labels_without_names(edited: Edit, tmp_path: Path) -> None:
    folder = edited("bert", id2label="REMOVE", label2id="REMOVE", num_labels=3)
    source = read_source(folder, into=tmp_path / "into")
    assert source.manifest.facts["labels"] == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_image_sizes(edited: Edit, tmp_path: Path) -> None:
    folder = edited("vit", image_size=[32, 16])
    signature = read_source(folder, into=tmp_path / "into").component().signature
    assert signature.inputs[0].shape == ("batch", 3, 32, 16)
    shutil.rmtree(tmp_path / "into")
    error = refused(edited("vit", image_size=[32, 16, 8]), tmp_path)
    assert "config.json has [32, 16, 8] as 'image_size'" in error.message


def test_truncated_weights(edited: Edit, tmp_path: Path) -> None:
    folder = edited("bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    error = refused(folder, tmp_path)
    assert error.message.startswith(f"{weights} is damaged: it has ")


def test_a_pickle_only_checkpoint(edited: Edit, tmp_path: Path) -> None:
    folder = edited("bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    error = refused(folder, tmp_path)
    assert "as a pickle only (pytorch_model.bin)" in error.message
    assert "save_pretrained" in str(error.hint)


def test_a_revision_of_a_folder(tiny: Build, tmp_path: Path) -> None:
    error = refused(tiny("bert"), tmp_path, revision="main")
    assert "is a local folder, and --revision is for hub models" in error.message
