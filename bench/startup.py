"""What importing and the command line cost before any work is done."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.rows import Row

REPEATS = 15
DUMMIES = 200
HEAVY = ("torch", "transformers", "onnxruntime", "openvino", "core_plugin_", "dummy_")
COMMAND = "make bench"


def rows() -> list[Row]:
    """Import, help, and a listing of many plugins; each the median of fresh processes."""
    imported = _median_ms([sys.executable, "-c", "import hwcore"]) - _median_ms(
        [sys.executable, "-c", "pass"]
    )
    loaded = _heavy_modules([sys.executable, "-c", _then_modules("import hwcore")])
    program = [str(Path(sys.executable).with_name("hwcore"))]
    with tempfile.TemporaryDirectory() as folder:
        _install_dummies(Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder}
        listed = _median_ms([*program, "plugins", "list"], environment)
        text = (
            "import sys; sys.argv = ['hwcore', 'plugins', 'list', '--json']\n"
            "from hwcore.cli import main\ntry: main()\nexcept SystemExit: pass"
        )
        command = [sys.executable, "-c", _then_modules(text)]
        heavy_listing = _heavy_modules(command, environment)
    return [
        Row("import hwcore", "foundation", imported, "ms", "<= 120", COMMAND),
        Row(
            "vendor, torch or plugin modules after import hwcore", "foundation",
            len(loaded), "modules", "<= 0", COMMAND, " ".join(loaded),
        ),
        Row("hwcore --help", "foundation", _median_ms([*program, "--help"]) / 1e3, "s",
            "<= 0.35", COMMAND),
        Row(f"hwcore plugins list with {DUMMIES} more plugins installed", "foundation",
            listed / 1e3, "s", "<= 0.6", COMMAND),
        Row("plugin or vendor modules imported by that listing", "foundation",
            len(heavy_listing), "modules", "<= 0", COMMAND, " ".join(heavy_listing)),
    ]  # fmt: skip


def _median_ms(command: list[str], environment: dict[str, str] | None = None) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def _then_modules(code: str) -> str:
    return f"{code}\nimport json, sys; print('\\n' + json.dumps(list(sys.modules)))"


def _heavy_modules(command: list[str], environment: dict[str, str] | None = None) -> list[str]:
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return [name for name in modules if name.startswith(HEAVY)]


def _install_dummies(site: Path) -> None:
    """What ``pip install`` leaves behind, for plugins whose code must never be imported."""
    for number in range(DUMMIES):
        name = f"dummy_{number:03d}"
        package = site / name
        package.mkdir()
        (package / "__init__.py").write_text("raise ImportError('a listing imported a plugin')\n")
        (package / "hwcore-plugin.toml").write_text(
            f'name = "dummy-{number:03d}"\nvendor = "nobody"\nsummary = "does nothing"\n'
            'contract = ">=1,<2"\n[[capabilities]]\nid = "int8"\nhook = "quantize"\n'
            'lossless = false\ninputs = [{format = "onnx"}]\n'
            'output = {format = "onnx", quantization = "int8-dynamic"}\n'
        )
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hwcore.plugins]\ndummy-{number:03d} = {name}\n")
