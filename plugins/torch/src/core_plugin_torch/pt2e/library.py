"""torchao, imported late, quietly, and without what its import changes in torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core_plugin_torch import dynamo
from hwcore.contract import UserError
from hwcore.vendor import quiet, same_path


def load() -> Any:
    """The parts of ``torchao.quantization.pt2e`` that are used here, by name.

    Its quantizer for x86 puts a pass of its own into Inductor's settings; torch has the same one
    built in, and compiling is not to depend on what was quantized before. Raises `UserError` where
    torchao is not installed.
    """
    dynamo.load()
    import torch._inductor.config as inductor

    before = inductor.pre_grad_custom_pass
    try:
        with quiet("torch", "torchao"), same_path():
            from torchao.quantization.pt2e import observer, quantize_pt2e
            from torchao.quantization.pt2e.quantizer import quantizer, utils
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
    except ModuleNotFoundError as error:
        if error.name != "torchao":
            raise
        raise UserError(
            "quantizing with PT2E needs torchao, which is not installed",
            hint='Install it: pip install "core-plugin-torch[build]"',
        ) from None
    finally:
        inductor.pre_grad_custom_pass = before
    return SimpleNamespace(
        prepare=quantize_pt2e.prepare_pt2e,
        convert=quantize_pt2e.convert_pt2e,
        observer=observer,
        Specification=quantizer.QuantizationSpec,
        Configuration=utils.QuantizationConfig,
        X86InductorQuantizer=x86.X86InductorQuantizer,
    )
