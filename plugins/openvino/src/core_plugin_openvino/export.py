"""Export to IR: from the model itself, and from ONNX."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from core_plugin_openvino import ir, libraries
from hwcore.contract import Artifact, Context, Draft
from hwcore.vendor import only_errors


def from_module(source: Artifact, out: Path, ctx: Context) -> Draft:
    """Trace the torch module and convert the trace; the graph shares torch's weights."""
    import torch

    from hwcore.data import example_inputs
    from hwcore.transformers import load_module

    ov = libraries.openvino()
    signature = source.component().signature
    ctx.progress(0.0, "loading the model")
    module = load_module(source, attention="eager" if _has_windows(source) else "sdpa")
    arrays = example_inputs(signature, seed=ctx.seed)
    ctx.progress(0.2, "tracing")
    with warnings.catch_warnings(), only_errors("transformers"), torch.no_grad():
        # Tracing warns of every Python branch on a shape. Where one matters, outputs differ at
        # other shapes, and the check of a lossless step sees it.
        warnings.simplefilter("ignore")
        example = {name: torch.from_numpy(array) for name, array in arrays.items()}
        model = ov.convert_model(module, example_input=example)
    ir.adopt(model, signature)
    ctx.progress(0.8, "writing")
    return ir.write(model, source, source.traits, out)


def _has_windows(source: Artifact) -> bool:
    """True for attention to near tokens only.

    Padding far from any token then has nothing to attend to. OpenVINO's scaled dot-product
    attention gives NaN for it, where torch's gives zero; spelt out, masks are large numbers.
    """
    config = json.loads((source.root / "config.json").read_text("utf-8"))
    return bool(config.get("local_attention") or config.get("sliding_window"))


def from_onnx(source: Artifact, out: Path, ctx: Context) -> Draft:
    """Convert an ONNX graph; neither torch nor onnx is needed.

    ``read_model`` maps the weights, and unlike ``convert_model`` tries no other formats.
    """
    ctx.progress(0.0, "converting")
    model = libraries.core().read_model(source.component_file())
    ir.adopt(model, source.component().signature)
    ctx.progress(0.7, "writing")
    return ir.write(model, source, source.traits, out)
