"""Neural Compressor, imported late, and kept from talking and from leaving things behind."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hwcore.contract import UserError
from hwcore.vendor import only_errors, quiet, same_path

NOISY = ("neural_compressor", "torch", "torchao", "transformers")
"""Loggers of what a call into Neural Compressor goes through."""


def quantization() -> Any:
    """The module ``neural_compressor.torch.quantization``.

    Its logger is made, with a handler of its own, by the first of its modules, and lowered to
    errors before the others are imported and say what they find.
    """
    with quiet(*NOISY), same_path(), _same_inductor():
        import neural_compressor.common.utils

        logging.getLogger("neural_compressor").setLevel(logging.ERROR)
        import neural_compressor.torch.quantization

    return neural_compressor.torch.quantization


def require(name: str, what: str) -> ModuleType:
    """A library of the extra ``build``. Raises `UserError` that says how to install it."""
    import importlib

    try:
        with quiet(*NOISY), same_path():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(
            f"{what} needs {name}, which is not installed",
            hint='Install it: pip install "core-plugin-intel[build]"',
        ) from None


@contextmanager
def silent() -> Iterator[None]:
    """Around every call into Neural Compressor: no lines, no folder ``nc_workspace``.

    That folder is made in the current one by whoever asks for its name, as importing GPTQ does.
    """
    quantization()
    from neural_compressor.common import options

    before = options._workspace
    with tempfile.TemporaryDirectory(prefix="hwcore-intel-") as folder:
        options.workspace = str(Path(folder) / "workspace")
        try:
            with quiet(*NOISY), only_errors("root"), same_path(), _same_inductor():
                yield
        finally:
            options.workspace = before


@contextmanager
def _same_inductor() -> Iterator[None]:
    """Around what imports torchao's quantizer for x86, which puts a pass into Inductor's settings.

    torch has the same one built in, and compiling is not to depend on what was quantized before.
    """
    import torch._inductor.config as inductor

    before = inductor.pre_grad_custom_pass
    try:
        yield
    finally:
        inductor.pre_grad_custom_pass = before
