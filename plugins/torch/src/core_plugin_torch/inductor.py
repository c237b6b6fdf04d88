"""AOTInductor at arm's length: a program becomes a library, and nothing else stays behind."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from core_plugin_torch import dynamo
from core_plugin_torch import program as programs
from hwcore.contract import PluginError, UserError
from hwcore.vendor import quiet, same_path

_ALONE = threading.Lock()
"""Inductor's settings and its cache folder are the whole process's."""

_SETTINGS: dict[str, Any] = {
    # Weights become constants of the library: folded, and packed as the kernels read them.
    "freezing": True,
    # In this process: workers would outlive the call.
    "compile_threads": 1,
    # The number of threads is asked for when a kernel runs, not written into it.
    "cpp.dynamic_threads": True,
    # They go to a folder that no setting moves, and would be compiled for two files only.
    "aot_inductor.precompile_headers": False,
    "cpp_cache_precompile_headers": False,
    # Tables of source lines hold the names of this machine's folders.
    "aot_inductor.enable_line_tables": False,
    "aot_inductor.enable_frame_pointer": False,
}

_AUTOTUNE: dict[str, Any] = {"max_autotune": True, "max_autotune_gemm_backends": "CPP,ATEN"}


def check_compiler() -> None:
    """Raises `UserError` where there is no C++ compiler that Inductor would use."""
    dynamo.load()
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        found = shutil.which(get_cpp_compiler())  # it may remember one that is gone
    except InvalidCxxCompiler:
        found = None
    if found is None:
        raise UserError(
            "compiling with AOTInductor takes a C++ compiler, and there is none on the PATH",
            hint="Install one, such as g++ (Debian: apt install g++), or name one in CXX.",
        )


def build(
    program: ExportedProgram,
    example: Sequence[torch.Tensor],
    file: Path,
    *,
    max_autotune: bool = False,
) -> None:
    """Compile a program into the shared library ``file``, for the CPU of this machine.

    ``example`` are inputs that fit the program; those of `max_autotune` are timed. Raises
    `PluginError` where the compiler fails, `OSError` when the disk is full.
    """
    from torch._inductor import aot_compile
    from torch._inductor.exc import InductorError

    settings = _SETTINGS | (_AUTOTUNE if max_autotune else {})
    with _ALONE, _caches() as folder, same_path(), quiet("torch"), torch.no_grad():
        try:
            made = aot_compile(
                programs.module(program),
                tuple(example),
                options=settings | {"aot_inductor.output_path": str(folder / "made")},
            )
        except InductorError as error:
            _check_room(folder)
            raise _failed(error.inner_exception) from error
        shutil.copyfile(made, file)


def _failed(error: Exception) -> Exception:
    """What to raise where Inductor has failed."""
    from torch._inductor.exc import CppCompileError

    if isinstance(error, MemoryError | OSError):
        return error
    if isinstance(error, CppCompileError):
        lines = [line for line in error.output.splitlines() if "error" in line]
        return PluginError(
            f"the C++ compiler does not take what Inductor wrote: {(lines or ['?'])[0][:160]}",
            hint="Try another compiler, or another version of it: CXX names it.",
            details=error.output,
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return PluginError(
        f"Inductor cannot compile this program: {reason[:160]}",
        hint="Run the torch-export as it is, or with another plugin.",
        details=str(error),
    )


@contextmanager
def _caches() -> Iterator[Path]:
    """A folder for all that Inductor and the compiler write, which is gone afterwards."""
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    with tempfile.TemporaryDirectory(prefix="hwcore-aoti-") as name:
        folder = Path(name)
        (folder / "made").mkdir()
        with temporary_cache_dir(str(folder / "cache")):
            yield folder


def _check_room(folder: Path) -> None:
    """Raises `OSError` where there is no more room for what the compiler writes."""
    if shutil.disk_usage(folder).free < 1 << 20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
