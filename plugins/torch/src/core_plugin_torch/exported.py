"""Running a ``torch-export`` artifact: its operators one after another, as the file has them."""

from __future__ import annotations

import torch

from core_plugin_torch import program as programs
from core_plugin_torch.run import TorchRunner
from core_plugin_torch.run_options import Float32Options
from hwcore.contract import Artifact, Context


def exported(artifact: Artifact, options: Float32Options, ctx: Context) -> TorchRunner:
    """Load a program of any quantization. Nothing is fused: this is what the format means."""
    ctx.progress(0.0, "loading the model")
    return TorchRunner(
        programs.module(programs.read(artifact)),
        artifact.component().signature,
        dtype=torch.float32,
        threads=options.threads or ctx.threads,
    )
