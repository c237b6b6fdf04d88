"""No telemetry: nothing is sent, and nothing is left in the user's home.

The vendor's switch for tests is pytest itself, so each of these runs in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from openvino_steps import Steps

from core_plugin_openvino import libraries
from hwcore.contract import Artifact, Dataset, UserError

WATCH = """
import socket, sys, threading
def refuse(*arguments):
    raise AssertionError(f"the network was asked for: {arguments}")
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse
"""

WORK = """
from pathlib import Path
from core_plugin_openvino import plugin
from hwcore.artifacts import read_artifact
from hwcore.contract import Target
from hwcore.data import example_inputs, read_dataset
from hwcore.host import local_cpu
from hwcore.transformers import read_source
class Silent:
    seed, threads = 0, 2
    def progress(self, fraction, message=""): pass
    def cancelled(self): return False
source, ir, data, out = map(Path, sys.argv[1:])
target = Target.of(local_cpu())
(out / "ir").mkdir()
(out / "int8").mkdir()
source = read_source(source, into=out / "source")
plugin.export(source=source, capability="ir", out=out / "ir", ctx=Silent())
plugin.quantize(source=read_artifact(ir), options={"subset_size": 4}, data=read_dataset(data),
                target=target, out=out / "int8", ctx=Silent())
artifact = read_artifact(ir)
runner = plugin.run(artifact=artifact, capability="cpu", options={}, target=target, ctx=Silent())
runner(example_inputs(artifact.component().signature))
"""


def _without_network() -> list[str]:
    """A prefix that starts a command in a network namespace of its own, where that is allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    prefix = [unshare, "--map-root-user", "--net"]
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return prefix if allowed else []


def _run(script: str, home: Path, *arguments: Path, network: bool = False) -> str:
    """Run it in a home of its own, as a user would: neither in CI nor below pytest."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "HF_HUB_OFFLINE": "1",
    }
    prefix = [] if network else _without_network()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def work(
    tiny_source: Callable[..., Artifact],
    tiny_data: Callable[..., Dataset],
    steps: Steps,
    tmp_path: Path,
) -> list[Path]:
    """Arguments of `WORK`."""
    source = tiny_source("distilbert")
    out = tmp_path / "out"
    out.mkdir()
    return [source.root, steps.export(source).path, tiny_data("distilbert").path, out]


def test_export_quantize_and_run_work_without_a_network_and_ask_for_none(
    work: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    check = """
print([name for name, module in sys.modules.items() if "openvino_telemetry" in name and module])
print([thread.name for thread in threading.enumerate() if "ThreadPool" in thread.name])
"""
    assert _run(WATCH + WORK + check, home, *work).split() == ["[]", "[]"]
    assert not (home / "intel").exists()


def test_the_vendor_would_have_left_a_trace(tmp_path: Path) -> None:
    """The check above can fail: this is what a plain import does."""
    if not _without_network():
        pytest.skip("without a network namespace this would really send an event")
    _run("import openvino", tmp_path)
    assert (tmp_path / "intel" / "openvino_ga_cid").is_file()


def test_who_imported_openvino_before_us_is_muted_too(work: list[Path], tmp_path: Path) -> None:
    if not _without_network():
        pytest.skip("without a network namespace this would really send an event")
    before = """
import openvino
from openvino_telemetry.utils.sender import TelemetrySender
sent = []
TelemetrySender.send = lambda self, backend, message: sent.append(message)
openvino.tools.ovc.telemetry.send_event("ov", "test", "the recorder works")
assert len(sent) == 1
"""
    after = "\nprint(len(sent))"
    assert _run("import sys\n" + before + WORK + after, tmp_path, *work).split() == ["1"]


def test_a_missing_nncf_is_said_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nncf"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without("nncf"), *sys.meta_path])
    with pytest.raises(UserError, match="needs nncf, which is not installed") as caught:
        libraries.nncf()
    assert caught.value.hint == 'Install it: pip install "core-plugin-openvino[build]"'


class _Without:
    """An import hook: a package that is not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
