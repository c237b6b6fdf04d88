"""Compiling: the same numbers, a file that needs no compiler, and nothing left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import parts
import psutil
import pytest
import torch
from engine_steps import SIZES, RecordingContext, Steps, inputs_of, program_of, relative

from core_plugin_torch import inductor
from core_plugin_torch.compile import MADE_BY
from hwcore.contract import (
    Artifact,
    ArtifactCorrupt,
    Cancelled,
    Dataset,
    HardwareUnavailable,
    PluginError,
    UserError,
)

Source = Callable[..., Artifact]
Data = Callable[..., Dataset]


class Toy(torch.nn.Module):
    """Enough to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer(x),)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return program_of(Toy(), parts.vector_signature(), tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture(scope="module")
def compiled(tiny_source: Source, steps: Steps) -> Artifact:
    return steps("aoti", steps("export", tiny_source("bert")))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, one of its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def _children() -> set[psutil.Process]:
    """Pythons that this process has started, earlier tests' included."""
    return {c for c in psutil.Process().children(recursive=True) if "python" in c.name()}


def _program(path: Path, script: str) -> Path:
    """An executable of that script."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_it_answers_as_the_program_does(
    compiled: Artifact, tiny_source: Source, steps: Steps
) -> None:
    source = tiny_source("bert")
    expected, actual = steps.run(steps("export", source)), steps.run(compiled, "compiled")
    assert actual.signature == source.component().signature
    for case, (batch, sequence) in enumerate(SIZES):
        inputs = inputs_of(source.component().signature, batch, sequence, seed=case)
        assert relative(expected(inputs), actual(inputs)) < 2e-6


def test_what_is_said_of_the_file_is_so(compiled: Artifact, steps: Steps) -> None:
    facts = compiled.manifest.facts
    assert (compiled.format, compiled.traits.stage) == ("torch-aoti", "compiled")
    assert compiled.traits.bound_to == steps.target.fingerprint
    assert set(compiled.manifest.files) == {"model.so"}
    assert facts[MADE_BY] == torch.__version__
    assert facts["weight_bytes"] == compiled.manifest.files["model.so"].size


def test_int8_keeps_its_numbers_and_gets_int8_kernels(
    tiny_source: Source, tiny_data: Data, steps: Steps
) -> None:
    source = tiny_source("bert")
    rounded = steps("int8-static", steps("export", source), data=tiny_data("bert"))
    artifact = steps("aoti", rounded)
    assert artifact.traits.quantization == "int8-static"
    assert artifact.component_file().read_bytes().count(b"qlinear_pointwise") > 1
    expected, actual = steps.run(rounded), steps.run(artifact, "compiled")
    for case, (batch, sequence) in enumerate(SIZES):
        inputs = inputs_of(source.component().signature, batch, sequence, seed=case)
        # A sum in another order may round to the next integer.
        assert relative(expected(inputs), actual(inputs)) < 0.05


def test_it_leaves_nothing_behind(toy: Artifact, steps: Steps, temporary: Path) -> None:
    """Also of dynamic int8, which it compiles here, and with a compiler that was asked before."""
    rounded = steps("int8-dynamic", toy)
    before = dict(os.environ), list(sys.path), torch.get_num_threads(), Path.cwd()
    children = _children()
    ctx = RecordingContext(threads=1)
    artifact = steps("aoti", rounded, ctx=ctx)
    assert (dict(os.environ), list(sys.path), torch.get_num_threads(), Path.cwd()) == before
    assert list(temporary.iterdir()) == []
    assert _children() <= children
    assert ctx.fractions == sorted(ctx.fractions)
    inputs = inputs_of(artifact.component().signature, batch=5)
    expected, actual = steps.run(rounded)(inputs), steps.run(artifact, "compiled")(inputs)
    np.testing.assert_allclose(actual["y"], expected["y"], rtol=0, atol=1e-5)


def test_a_fresh_process_loads_it_without_a_compiler(
    compiled: Artifact, steps: Steps, tmp_path: Path
) -> None:
    script = f"""
import subprocess, sys
from pathlib import Path
def refuse(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.system"):
        raise AssertionError(f"started {{arguments}}")
sys.addaudithook(refuse)
import numpy as np
from engine_steps import Steps, inputs_of
from hwcore.artifacts import read_artifact
from hwcore.contract import Target
artifact = read_artifact(Path({str(compiled.path)!r}))
target = Target.model_validate_json({steps.target.model_dump_json()!r})
runner = Steps(Path("."), target).run(artifact, "compiled")
np.save("found.npy", runner(inputs_of(runner.signature))["logits"])
print(*{{"torch._inductor", "torch._dynamo", "transformers"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    here = steps.run(compiled, "compiled")
    expected = here(inputs_of(here.signature))["logits"]
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=0, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["found.npy"]


def test_threads_are_as_the_options_say(compiled: Artifact, steps: Steps) -> None:
    runner = steps.run(compiled, "compiled", threads=1)
    runner(inputs_of(runner.signature))
    assert torch.get_num_threads() == 1


def test_several_threads_may_call(compiled: Artifact, steps: Steps) -> None:
    runner = steps.run(compiled, "compiled")
    cases = [inputs_of(runner.signature, 1 + n % 3, 5 + 7 * (n % 4), n) for n in range(8)]
    expected = [runner(case)["logits"] for case in cases]
    together = threading.Barrier(4)

    def work(worker: int) -> None:
        together.wait()
        for turn in range(20):
            case = (worker * 3 + turn) % len(cases)
            found = runner(cases[case])["logits"]
            np.testing.assert_allclose(found, expected[case], rtol=0, atol=1e-5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_a_library_for_another_cpu_is_refused(compiled: Artifact, steps: Steps) -> None:
    other = steps.target.model_copy(update={"features": ("avx2",)})
    with pytest.raises(
        HardwareUnavailable, match="compiled for a CPU with other features"
    ) as error:
        steps.run(compiled, "compiled", target=other)
    assert "Compile it again on this machine" in str(error.value.hint)


def test_a_library_of_another_torch_is_refused(compiled: Artifact, steps: Steps) -> None:
    facts = compiled.manifest.facts | {MADE_BY: "2.11.0"}
    manifest = compiled.manifest.model_copy(update={"facts": facts})
    with pytest.raises(UserError, match=r"was compiled by torch 2\.11\.0, and this is") as error:
        steps.run(compiled.model_copy(update={"manifest": manifest}), "compiled")
    assert "Compile it again with this version" in str(error.value.hint)


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_part_of_a_library_is_not_loaded(
    keep: float, compiled: Artifact, steps: Steps, tmp_path: Path
) -> None:
    content = compiled.component_file().read_bytes()
    (tmp_path / "model.so").write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ArtifactCorrupt, match=rf"expected {len(content)}") as error:
        steps.run(compiled.model_copy(update={"path": tmp_path}), "compiled")
    assert error.value.hint == "Compile the model again."


def test_what_is_no_library_is_an_error(compiled: Artifact, steps: Steps, tmp_path: Path) -> None:
    (tmp_path / "model.so").write_bytes(bytes(compiled.manifest.files["model.so"].size))
    with pytest.raises(PluginError, match="the library cannot be loaded") as error:
        steps.run(compiled.model_copy(update={"path": tmp_path}), "compiled")
    assert error.value.hint == "Compile the model again on this machine."


def test_no_compiler_is_said_before_anything_else(
    toy: Artifact, steps: Steps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ctx = RecordingContext()
    with pytest.raises(UserError, match="takes a C\\+\\+ compiler, and there is none") as error:
        steps("aoti", toy, ctx=ctx)
    assert "apt install g++" in str(error.value.hint)
    assert ctx.fractions == []


def test_a_compiler_that_fails_is_an_error(
    toy: Artifact, steps: Steps, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    """It says what version it is, and compiles nothing; the error is the first line with one."""
    folder = temporary.parent / "bin"
    folder.mkdir()
    works = "case \"$*\" in --version|-v) echo 'g++ 12'; exit 0;; esac"
    _program(folder / "g++", f"{works}\necho 'x.cpp:1: fatal error: no space for this' >&2\nexit 1")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(PluginError, match="fatal error: no space for this") as error:
        steps("aoti", toy, ctx=RecordingContext())
    assert error.value.details
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("asked", [0, 1])
def test_it_stops_between_phases(asked: int, toy: Artifact, steps: Steps) -> None:
    with pytest.raises(Cancelled, match="compiling was stopped"):
        steps("aoti", toy, ctx=RecordingContext(stop_after=asked))


@pytest.mark.slow
def test_the_fastest_of_several_kernels(toy: Artifact, steps: Steps, temporary: Path) -> None:
    artifact = steps("aoti", toy, {"max_autotune": True})
    inputs = inputs_of(artifact.component().signature, batch=5)
    expected, actual = steps.run(toy)(inputs), steps.run(artifact, "compiled")(inputs)
    np.testing.assert_allclose(actual["y"], expected["y"], rtol=0, atol=1e-6)
    assert list(temporary.iterdir()) == []
    assert inductor._SETTINGS["compile_threads"] == 1
