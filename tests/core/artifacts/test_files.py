"""What is refused before it is opened: nothing here may ever wait."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hwcore.artifacts import read_artifact
from hwcore.artifacts.files import refuse_endless
from hwcore.contract import UserError
from hwcore.data import read_dataset
from hwcore.data.tables import read_table
from hwcore.pipeline import read_recipe
from hwcore.transformers.checkpoint import read_header
from hwcore.transformers.config import read_json
from hwcore.workflows.study import read_study


def test_a_file_a_folder_and_nothing_pass(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "absent", tmp_path / "file" / "below"):
        refuse_endless(path)


def test_a_pipe_a_device_and_a_socket_do_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    kinds = {"pipe": "a pipe", "link": "a pipe", "socket": "a socket", os.devnull: "a device"}
    for name, kind in kinds.items():
        with pytest.raises(UserError, match=f"{name} is {kind}, expected a file") as caught:
            refuse_endless(tmp_path / name)
        assert caught.value.hint == "Write what it gives into a file, and name that."


@pytest.mark.parametrize(
    ("reader", "file", "named"),
    [
        (read_artifact, "artifact.json", "."),
        (read_dataset, "dataset.json", "."),
        (read_study, "study.json", "."),
        (read_recipe, "recipe.yaml", "recipe.yaml"),
        (read_table, "data.csv", "data.csv"),
        (read_json, "config.json", "config.json"),
        (read_header, "model.safetensors", "model.safetensors"),
    ],
)
def test_no_reader_waits_for_a_pipe(
    tmp_path: Path, reader: Callable[[Path], object], file: str, named: str
) -> None:
    os.mkfifo(tmp_path / file)
    with pytest.raises(UserError, match=f"{file} is a pipe"):
        reader(tmp_path / named)
