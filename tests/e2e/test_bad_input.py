"""Bad input: an exit code, one sentence and a hint, and nothing half-written anywhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import models
import parts
import pytest
from command import Command, Done, leftovers
from optimizing import DROP, ONNX, QUICK, Optimized

USER, PLUGIN, TOLERANCE, CORRUPT = 2, 3, 5, 6
"""Exit codes, see ``hwcore.cli.errors``."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def model(bert: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(bert, tmp_path / "model"))


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """``table(rows)``: a CSV file of them."""
    return lambda rows, **how: models.write_csv(tmp_path / "table.csv", rows, **how)


def optimize(hwcore: Command, model: Path, out: Path, *arguments: object) -> Done:
    """Run it, and check that it left nothing but finished work."""
    before = leftovers(out)
    done = hwcore("optimize", model, *DROP, *QUICK, "--out", out, *arguments)
    if done.code:
        assert leftovers(out) == before, "something was left beside --out"
    assert hwcore.unfinished() == [], "something was left in the cache"
    return done


class TestModel:
    def test_a_folder_that_is_not_there(self, sketch: Command, tmp_path: Path, out: Path) -> None:
        done = optimize(sketch, tmp_path / "none", out)
        done.refused(USER, f"{tmp_path / 'none'} is not there", "Name a folder that holds a model")

    def test_a_folder_that_is_no_model(self, sketch: Command, tmp_path: Path, out: Path) -> None:
        folder = tmp_path / "photos"
        folder.mkdir()
        optimize(sketch, folder, out).refused(USER, f"{folder} is not a model", "config.json")

    def test_a_name_that_is_no_folder_and_not_on_the_hub(self, sketch: Command, out: Path) -> None:
        done = optimize(sketch, Path("acme/no-such-model"), out)
        done.refused(USER, "there is no folder 'acme/no-such-model' here", "offline mode is on")

    @pytest.mark.parametrize("size", [4, 100, 5000], ids="{} bytes".format)
    def test_truncated_weights(self, sketch: Command, model: Path, out: Path, size: int) -> None:
        weights = model / "model.safetensors"
        os.truncate(weights, size)
        done = optimize(sketch, model, out)
        done.refused(USER, f"{weights} is damaged: it has {size} bytes", "save the model, again")

    def test_tampered_weights(self, sketch: Command, model: Path, out: Path) -> None:
        weights = model / "model.safetensors"
        content = weights.read_bytes()
        weights.write_bytes(content.replace(b'"F32"', b'"F16"', 1))
        done = optimize(sketch, model, out)
        done.refused(USER, f"{weights} is damaged: tensor", "bytes, expected", "again")

    def test_weights_of_another_shape(self, hwcore: Command, model: Path, out: Path) -> None:
        """Whole and well-formed, and not this model's: only loading them tells."""
        config = json.loads((model / "config.json").read_text())
        config["intermediate_size"] += 8
        (model / "config.json").write_text(json.dumps(config))
        done = optimize(hwcore, model, out, "--recipe", "openvino-fp32")
        done.refused(USER, f"{model}", "config.json and the weights belong together")

    def test_a_pickle_only_checkpoint(self, sketch: Command, model: Path, out: Path) -> None:
        (model / "model.safetensors").rename(model / "pytorch_model.bin")
        done = optimize(sketch, model, out)
        done.refused(USER, "as a pickle only (pytorch_model.bin)", "safe_serialization")

    def test_an_unknown_architecture(self, sketch: Command, model: Path, out: Path) -> None:
        reconfigure(model, architectures=["Mamba2ForSequenceClassification"], model_type="mamba2")
        done = optimize(sketch, model, out)
        done.refused(USER, "architecture Mamba2ForSequenceClassification is not supported", "Bert")

    def test_an_unsupported_task(self, sketch: Command, model: Path, out: Path) -> None:
        reconfigure(model, architectures=["BertForQuestionAnswering"])
        done = optimize(sketch, model, out)
        done.refused(USER, "BertForQuestionAnswering is not supported", "text-classification")

    def test_a_model_that_brings_code(self, sketch: Command, model: Path, out: Path) -> None:
        reconfigure(model, auto_map={"AutoModel": "evil.Model"})
        (model / "evil.py").write_text("raise SystemExit('this must not run')")
        done = optimize(sketch, model, out)
        done.refused(USER, "brings code of its own", "--trust-remote-code")

    def test_no_tokenizer(self, sketch: Command, model: Path, reviews: Path, out: Path) -> None:
        (model / "tokenizer.json").unlink()
        done = optimize(sketch, model, out, "--data", reviews)
        done.refused(USER, "has no fast tokenizer", "tokenizer.json")

    def test_an_artifact_is_no_model_to_optimize(self, onnx: Optimized, out: Path) -> None:
        done = optimize(onnx.hwcore, onnx.out, out)
        done.refused(USER, "not a transformers model", "hwcore bench")


class TestData:
    def test_a_file_that_is_not_there(
        self, sketch: Command, bert: Path, tmp_path: Path, out: Path
    ) -> None:
        done = optimize(sketch, bert, out, "--data", tmp_path / "none.csv")
        done.refused(USER, f"{tmp_path / 'none.csv'} is not there")

    def test_without_the_named_column(
        self, sketch: Command, bert: Path, reviews: Path, out: Path
    ) -> None:
        done = optimize(sketch, bert, out, "--data", reviews, "--text-column", "body")
        done.refused(USER, "has no column 'body'", "Its columns are text, label")
        done = optimize(sketch, bert, out, "--data", reviews, "--label-column", "stars")
        done.refused(USER, "has no column 'stars'", "Its columns are text, label")

    def test_without_a_column_that_looks_like_text(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        data = table([{"a": row["text"], "b": row["label"]} for row in models.reviews(20)])
        optimize(sketch, bert, out, "--data", data).refused(USER, "only a, b", "--text-column")

    def test_empty_rows(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        rows = models.reviews(20)
        rows[4]["text"] = " "
        rows[7]["text"] = ""
        done = optimize(sketch, bert, out, "--data", table(rows))
        done.refused(USER, "2 of 20 rows without text in column 'text': line 6, 9", "Delete")

    def test_an_empty_label(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        rows = models.reviews(20)
        rows[4]["label"] = ""
        done = optimize(sketch, bert, out, "--data", table(rows))
        done.refused(USER, "line 6: the label is empty", "delete the row")

    def test_wrong_encoding(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        rows = models.reviews(20)
        rows[2]["text"] = "très bon"
        done = optimize(sketch, bert, out, "--data", table(rows, encoding="latin-1"))
        done.refused(USER, "line 4: byte 0xe8 is not UTF-8", "iconv -f latin1 -t UTF-8")

    def test_another_encoding_and_other_commas(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        data = table(models.reviews(20), encoding="utf-16")
        done = optimize(sketch, bert, out, "--data", data)
        done.refused(USER, f"{data} is UTF-16, expected UTF-8", "iconv -f UTF-16 -t UTF-8")
        data.write_text(data.read_text(encoding="utf-16").replace(",", ";"))
        done = optimize(sketch, bert, out, "--data", data)
        done.refused(USER, "has ';' in it and not ','", "Save it with commas")

    def test_no_header(self, sketch: Command, bert: Path, tmp_path: Path, out: Path) -> None:
        data = tmp_path / "nohead.csv"
        data.write_text("".join(f"{row['text']},{row['label']}\n" for row in models.reviews(20)))
        done = optimize(sketch, bert, out, "--data", data)
        done.refused(USER, "no column with a usual name for texts", "a line above it that names")

    def test_one_label_for_all_rows(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        data = table([row | {"label": "positive"} for row in models.reviews(20)])
        done = optimize(sketch, bert, out, "--data", data)
        done.refused(USER, "has the label 'positive' in every row", "at least two classes")

    def test_labels_the_model_does_not_know(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        rows = models.reviews(20)
        rows[3]["label"] = "mixed"
        done = optimize(sketch, bert, out, "--data", table(rows))
        done.refused(
            USER, "line 5: the model does not know the label 'mixed'", "negative, positive"
        )

    def test_too_few_rows(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        done = optimize(sketch, bert, out, "--data", table(models.reviews(4)))
        done.refused(USER, "has 4 distinct rows, too few to judge a model by", "at least 5")

    def test_fewer_rows_than_asked_for(
        self, sketch: Command, bert: Path, table: Callable[..., Path], out: Path
    ) -> None:
        data = table(models.reviews(20))
        done = optimize(sketch, bert, out, "--data", data, "--rows", 500)
        done.refused(USER, "12 rows to judge on, but --rows asks for 500", "more data")

    def test_no_rows(self, sketch: Command, bert: Path, tmp_path: Path, out: Path) -> None:
        data = tmp_path / "empty.csv"
        data.write_text("text,label\n")
        optimize(sketch, bert, out, "--data", data).refused(USER, f"{data} has no rows")

    def test_a_table_for_a_model_of_images(
        self, hwcore: Command, tiny: Callable[..., Path], reviews: Path, out: Path
    ) -> None:
        done = optimize(hwcore, tiny("vit"), out, "--data", reviews)
        done.refused(USER, f"{reviews} is not a folder of images", "one subfolder per class")


class TestRecipe:
    def test_a_name_that_nobody_has_is_told_before_anything_is_read(
        self, sketch: Command, tmp_path: Path, out: Path
    ) -> None:
        arguments = ("--data", tmp_path / "none.csv", "--recipe", "sketch-int4")
        done = optimize(sketch, tmp_path / "none", out, *arguments)
        done.refused(USER, "there is no recipe 'sketch-int4'", "Did you mean 'sketch-int8'?")

    def test_a_tolerance_beyond_the_rows_is_told_before_the_work(
        self, sketch: Command, bert: Path, reviews: Path, out: Path
    ) -> None:
        done = optimize(sketch, bert, out, "--data", reviews, "--max-drop", 0.001)
        done.refused(TOLERANCE, "--rows 2703")
        said, _, _ = done.err.partition("build ")
        assert "warning: no plan can be proven to stay within --max-drop 0.001 on 99 rows" in said


class TestDisk:
    @pytest.mark.parametrize("size", ["100k", "300k", "1500k"])
    def test_full(
        self, hwcore: Command, large: Path, reviews: Path, tmp_path: Path, out: Path, size: str
    ) -> None:
        """Too small for the data, for the study beside it, or for a step's result."""
        with parts.small_disk(tmp_path / "disk", size) as disk:
            small = Command(disk, hwcore.environment)
            arguments = ("--data", reviews, "--recipe", "openvino-fp32")
            done = optimize(small, large, out, *arguments)
            done.refused(USER, f"the disk that holds the cache {disk} is full", "HWCORE_CACHE")
            assert small.steps() == set()

    def test_no_room_for_the_result(
        self, sketch: Command, bert: Path, reviews: Path, tmp_path: Path
    ) -> None:
        with parts.small_disk(tmp_path / "disk", "20k") as disk:
            out = disk / "out"
            done = optimize(sketch, bert, out, "--data", reviews)
            done.refused(USER, f"{out} cannot be written: No space left on device", "--out")

    def test_read_only_output(
        self, sketch: Command, bert: Path, reviews: Path, tmp_path: Path
    ) -> None:
        parent = tmp_path / "parent"
        parent.mkdir()
        with parts.read_only(parent):
            done = optimize(sketch, bert, parent / "out", "--data", reviews)
        done.refused(USER, f"{parent / 'out'} cannot be made: Read-only file system", "--out")
        assert sketch.steps() == set(), "work was done before the output was looked at"

    @pytest.mark.parametrize("kind", ["folder", "file"])
    def test_an_output_that_holds_something_else(
        self, sketch: Command, bert: Path, reviews: Path, out: Path, kind: str
    ) -> None:
        if kind == "file":
            out.write_text("mine")
            words = f"{out} is a file"
        else:
            out.mkdir()
            (out / "thesis.txt").write_text("mine")
            words = f"{out} holds something that hwcore did not write"
        optimize(sketch, bert, out, "--data", reviews).refused(USER, words, "--out")
        file = out if kind == "file" else out / "thesis.txt"
        assert file.read_text() == "mine"
        assert sketch.steps() == set()

    def test_an_earlier_result_is_replaced(
        self, sketch: Command, bert: Path, reviews: Path, out: Path
    ) -> None:
        optimize(sketch, bert, out, "--data", reviews).check()
        (out / "recipe.yaml").write_text("spoilt")
        optimize(sketch, bert, out, "--data", reviews).check()
        assert "spoilt" not in (out / "recipe.yaml").read_text()
        assert leftovers(out) == ["out"]


class TestArtifact:
    def test_a_flipped_byte_is_found_when_asked_for(self, onnx: Optimized, spoilt: Path) -> None:
        file = weights_of(spoilt)
        with keeping_times(file):
            flip(file)
        words = (f"{spoilt}: {file.name} is not the file that was written", "Make the artifact")
        text = ("--text", "good")
        onnx.hwcore("run", spoilt, *text, "--verify").refused(CORRUPT, *words)
        bench = onnx.hwcore("bench", spoilt, "--rounds", 3, "--verify")
        bench.refused(CORRUPT, *words)

    def test_a_file_that_was_written_to_is_found_unasked(
        self, onnx: Optimized, spoilt: Path
    ) -> None:
        flip(weights_of(spoilt))
        done = onnx.hwcore("run", spoilt, "--text", "good")
        done.refused(CORRUPT, "is not the file that was written")

    def test_a_file_that_is_gone(self, onnx: Optimized, spoilt: Path) -> None:
        file = weights_of(spoilt)
        file.unlink()
        done = onnx.hwcore("run", spoilt, "--text", "good")
        done.refused(CORRUPT, f"{file.name} is missing")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
    def test_a_path_that_leads_out(self, onnx: Optimized, spoilt: Path, name: str) -> None:
        manifest = json.loads((spoilt / "artifact.json").read_text())
        files = manifest["files"]
        files[name] = files.pop(weights_of(spoilt).name)
        (spoilt / "artifact.json").write_text(json.dumps(manifest))
        done = onnx.hwcore("run", spoilt, "--text", "good")
        done.refused(CORRUPT, f"file name {name!r} leaves the artifact's folder", "again")

    def test_an_edited_manifest(self, onnx: Optimized, spoilt: Path) -> None:
        text = (spoilt / "artifact.json").read_text()
        (spoilt / "artifact.json").write_text(text.replace("text-classif", "image-classif"))
        done = onnx.hwcore("run", spoilt, "--text", "good")
        done.refused(CORRUPT, "was edited: its digest does not match", "Make the artifact again")

    def test_a_manifest_that_points_elsewhere(
        self, onnx: Optimized, spoilt: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "given").mkdir()
        text = (spoilt / "artifact.json").read_text()
        text = text.replace('"location": null', f'"location": "{spoilt}"')
        (tmp_path / "given" / "artifact.json").write_text(text)
        done = onnx.hwcore("run", tmp_path / "given", "--text", "good")
        done.refused(CORRUPT, f"refers to files in another folder, {spoilt}", "if you trust")

    def test_no_artifact_at_all(self, onnx: Optimized, tmp_path: Path) -> None:
        done = onnx.hwcore("run", tmp_path, "--text", "good")
        done.refused(USER, f"{tmp_path} is not an artifact", "hwcore optimize")


class TestTolerance:
    def test_that_nothing_meets(
        self, onnx: Optimized, bert: Path, reviews: Path, tmp_path: Path, out: Path
    ) -> None:
        """99 rows cannot prove a drop of a thousandth, even if no answer changed."""
        study = tmp_path / "study"
        study.mkdir()
        (study / "study.json").write_text(json.dumps(onnx.study))
        arguments = ("--data", reviews, "--recipe", ONNX, "--study", study, "--max-drop", 0.001)
        done = optimize(onnx.hwcore, bert, out, *arguments)
        closest = min(
            (t for t in onnx.study["trials"] if not t["baseline"]),
            key=lambda trial: trial["quality"]["drop_bound"],
        )
        done.refused(
            TOLERANCE,
            f"no plan is proven to stay within a drop of 0.001: {closest['plan']['name']} came "
            f"closest, its drop may be as large as {closest['quality']['drop_bound']:.4f}",
            "judged on 99 rows; 2703 are the least that can prove --max-drop 0.001",
        )
        kept = json.loads((study / "study.json").read_text())
        assert kept["recommended"] is None
        assert (study / "pareto.png").exists()

    @pytest.mark.parametrize("value", ["-0.1", "1", "nan"])
    def test_that_is_no_share(self, sketch: Command, bert: Path, out: Path, value: str) -> None:
        done = optimize(sketch, bert, out, "--max-drop", value)
        done.refused(USER, f"--max-drop is {float(value):g}, expected a share from 0 to below 1")


class TestOptions:
    def test_an_unknown_option_of_a_step(self, hwcore: Command, bert: Path, out: Path) -> None:
        export = ("export", bert, "--plugin", "onnxruntime", "--out", out)
        done = hwcore(*export, "-o", "opsett=18")
        done.refused(USER, "there is no option 'opsett', did you mean 'opset'?", "Options: ")
        done = hwcore(*export, "-o", "opset=latest")
        done.refused(USER, "option 'opset' is 'latest', expected integer")
        assert leftovers(out) == []
        assert hwcore.unfinished() == []

    def test_an_unknown_recipe(self, hwcore: Command, bert: Path, out: Path) -> None:
        done = optimize(hwcore, bert, out, "--recipe", "openvino-fp23")
        done.refused(USER, "there is no recipe 'openvino-fp23'", "Did you mean 'openvino-fp32'?")

    def test_a_recipe_file_with_a_mistake(
        self, hwcore: Command, bert: Path, tmp_path: Path, out: Path
    ) -> None:
        recipe = tmp_path / "mine.yaml"
        recipe.write_text("name: mine\nsteps:\n- {hook: run, plugin: torch, capabilty: eager}\n")
        done = optimize(hwcore, bert, out, "--recipe", recipe)
        done.refused(USER, f"recipe {recipe}: unknown key 'steps.0.capabilty'", "'capability'")

    def test_a_recipe_with_a_bad_option(
        self, hwcore: Command, bert: Path, tmp_path: Path, out: Path
    ) -> None:
        recipe = tmp_path / "mine.yaml"
        recipe.write_text(
            "name: mine\nsteps:\n"
            "- {hook: export, plugin: onnxruntime, options: {opsett: 18}}\n"
            "- {hook: run, plugin: onnxruntime}\n"
        )
        done = optimize(hwcore, bert, out, "--recipe", recipe)
        done.refused(USER, "onnxruntime/onnx: there is no option 'opsett', did you mean")

    def test_an_unknown_plugin(self, hwcore: Command, bert: Path, out: Path) -> None:
        done = hwcore("export", bert, "--plugin", "openvin", "--out", out)
        done.refused(USER, "there is no plugin 'openvin', did you mean 'openvino'?", "Installed: ")
        assert leftovers(out) == []

    def test_an_allow_list_with_a_name_that_is_not_there(
        self, hwcore: Command, bert: Path, out: Path
    ) -> None:
        misspelt = Command(hwcore.cache, {"HWCORE_PLUGINS": "torch,openvin"})
        done = optimize(misspelt, bert, out)
        done.refused(USER, "HWCORE_PLUGINS names 'openvin'", "did you mean 'openvino'?")

    def test_no_plugins(self, hwcore: Command, bert: Path, out: Path) -> None:
        done = hwcore("--no-plugins", "optimize", bert, "--out", out)
        done.refused(4, "no installed plugin can run the model as it is", "core-plugin-torch")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of about 4 MB: more than a small disk holds."""
    import torch
    import transformers

    folder = models.tiny("bert", tmp_path_factory.mktemp("large"))
    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(folder, hidden_size=256, intermediate_size=512)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def spoilt(onnx: Optimized, tmp_path: Path) -> Path:
    """A copy of a finished result."""
    return Path(shutil.copytree(onnx.out, tmp_path / "result"))


def reconfigure(model: Path, **changes: object) -> None:
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def weights_of(folder: Path) -> Path:
    """The largest file that the manifest names."""
    files = json.loads((folder / "artifact.json").read_text())["files"]
    return folder / max(files, key=lambda name: files[name]["size"])


def flip(file: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # it may be a hard link
    file.write_bytes(content)


@contextmanager
def keeping_times(file: Path) -> Iterator[None]:
    """What a bad disk, or somebody who hides a change, does."""
    stat = file.stat()
    yield
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
