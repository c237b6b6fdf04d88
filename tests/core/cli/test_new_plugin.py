"""``hwcore new-plugin``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from command import Command


def test_it_says_what_to_do_next(hwcore: Command, tmp_path: Path) -> None:
    out = tmp_path / "my plugin"
    done = hwcore("new-plugin", "nova", "--out", out).check()
    assert done.out.splitlines() == [
        f"{out}: 12 files, the plugin nova",
        "next:",
        f"  cd '{out}'",
        '  pip install -e ".[build]" "hwcore-conformance[pytest]"',
        "  pytest tests",
        "  hwcore conformance run nova --quick",
    ]
    assert done.err == ""


def test_as_json(hwcore: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = hwcore("new-plugin", "nova", "--vendor", "Nova Labs", "--out", out, "--json").json()
    assert told.pop("files") == sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    )
    assert told.pop("next")[0] == f"cd {out}"
    assert told == {
        "plugin": "nova",
        "vendor": "Nova Labs",
        "distribution": "nova-hwcore",
        "package": "nova_hwcore",
        "folder": str(out),
    }


def test_the_folder_is_called_like_the_distribution(hwcore: Command, tmp_path: Path) -> None:
    subprocess.run(
        [*hwcore.program, "new-plugin", "nova"], cwd=tmp_path, env=hwcore.variables, check=True
    )
    assert (tmp_path / "nova-hwcore" / "pyproject.toml").is_file()


def test_refusals(hwcore: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    hwcore("new-plugin", "Nova", "--out", out).refused(2, "called 'Nova'", "Call it 'nova', say.")
    hwcore("new-plugin", "torch", "--out", out).refused(2, "core-plugin-torch", "pip uninstall")
    (tmp_path / "kept").touch()
    hwcore("new-plugin", "nova", "--out", tmp_path).refused(2, "is not empty", "--out")
    assert not out.exists()


def test_a_full_disk_leaves_nothing(hwcore: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-B", "-m", "hwcore", "new-plugin", "nova", "--out", str(out)],
        env={**os.environ, **hwcore.variables},
        preexec_fn=little_room,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{out} cannot be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
