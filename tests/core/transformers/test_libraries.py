"""What happens where a library is missing, or broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hwcore.contract import UserError
from hwcore.transformers.libraries import require


def test_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError) as caught:
        require("tokenizers")
    assert caught.value.message == "reading this model needs tokenizers, which is not installed"
    assert caught.value.hint == 'Install it: pip install "hwcore[transformers]"'


def test_torch_has_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match="needs torch, which is not installed") as caught:
        require("torch")
    assert "pytorch.org" in str(caught.value.hint)


def test_a_broken_library_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("import a_module_that_is_nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_nowhere"):
        require("half_there")
