"""Importing torch's compiler leaves no folder, and nothing in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from core_plugin_torch import dynamo
dynamo.load()
print("torch._dynamo" in sys.modules, os.environ.get("TORCHINDUCTOR_CACHE_DIR"))
"""


@pytest.mark.parametrize("named", [False, True])
def test_the_cache_folder_is_made_only_where_the_user_named_it(named: bool, tmp_path: Path) -> None:
    temporary, own = tmp_path / "temporary", tmp_path / "own"
    temporary.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"}
    environment |= {"TMPDIR": str(temporary)}
    if named:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(own)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert list(temporary.iterdir()) == []
    assert done.stdout.split() == (["False", str(own)] if named else ["True", "None"])
