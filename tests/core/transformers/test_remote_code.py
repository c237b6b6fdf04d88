"""Code that comes with a model runs when the user says so, and never otherwise."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwcore.contract import UserError
from hwcore.data import example_inputs
from hwcore.transformers import load_module, load_tokenizer, read_source
from hwcore.transformers.remote_code import VARIABLE

CODE = """
from pathlib import Path
from transformers import BertConfig, BertModel

Path(__file__).with_name("it_ran").touch()

class OddConfig(BertConfig):
    model_type = "odd"

class OddModel(BertModel):
    config_class = OddConfig
"""


@pytest.fixture
def odd(tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose architecture is defined by a file beside it."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])  # the library adds that folder
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = tmp_path / "odd"
    shutil.copytree(tiny("bert", "feature-extraction"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "odd.OddConfig", "AutoModel": "odd.OddModel"}
    config |= {"architectures": ["OddModel"], "model_type": "odd"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "odd.py").write_text(CODE)
    return folder


def test_is_refused_unasked(odd: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="brings code of its own") as caught:
        read_source(odd, into=tmp_path / "into")
    assert "--trust-remote-code" in str(caught.value.hint)
    assert not (tmp_path / "into").exists()


def test_reading_runs_nothing(odd: Path, tmp_path: Path) -> None:
    source = read_source(odd, into=tmp_path / "into", trust_remote_code=True)
    assert source.task == "feature-extraction"
    assert "odd.py" in source.manifest.files
    assert source.manifest.facts["remote_code"] is True
    load_tokenizer(odd, source.component().signature)
    assert not list(tmp_path.rglob("it_ran"))


def test_the_word_of_an_artifact_does_not_count(odd: Path, tmp_path: Path) -> None:
    source = read_source(odd, into=tmp_path / "into", trust_remote_code=True)
    with pytest.raises(UserError, match="brings code of its own"):
        load_module(source)
    assert not list(tmp_path.rglob("it_ran"))


def test_runs_when_the_user_says_so(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import BertModel

    monkeypatch.setenv(VARIABLE, "1")
    source = read_source(odd, into=tmp_path / "into")
    module = load_module(source)
    assert list(tmp_path.rglob("it_ran"))
    assert type(module.model).__name__ == "OddModel"
    inputs = {
        name: torch.from_numpy(array)
        for name, array in example_inputs(source.component().signature).items()
    }
    plain = BertModel.from_pretrained(odd, config=_plain(odd))
    with torch.inference_mode():
        [found] = module(*inputs.values())
        expected = plain(**inputs).last_hidden_state
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_an_unknown_ending_is_refused_all_the_same(odd: Path, tmp_path: Path) -> None:
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps(config | {"architectures": ["OddForCausalLM"]}))
    with pytest.raises(UserError, match="the architecture OddForCausalLM is not supported"):
        read_source(odd, into=tmp_path / "into", trust_remote_code=True)


def _plain(folder: Path) -> object:
    from transformers import BertConfig

    config = json.loads((folder / "config.json").read_text())
    del config["auto_map"], config["model_type"]
    return BertConfig(**config)
