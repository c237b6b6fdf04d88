"""A ``transformers`` artifact becomes a torch module."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwcore.contract import Artifact, UserError
from hwcore.transformers.libraries import quiet_transformers, require
from hwcore.transformers.remote_code import FACT, check_trusted

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")

_AUTO_CLASSES = {
    "feature-extraction": "AutoModel",
    "text-classification": "AutoModelForSequenceClassification",
    "image-classification": "AutoModelForImageClassification",
}


def load_module(
    source: Artifact, *, dtype: str = "float32", attention: str = "sdpa"
) -> torch.nn.Module:
    """Load the model in evaluation mode, without gradients.

    ``forward`` takes the signature's inputs by name, in order, and gives a tuple of its
    outputs in order. ``dtype``, one of `DTYPES`, is that of weights and maths. ``attention``
    is transformers' name of the implementation, ``sdpa`` or ``eager``; a model that has no
    SDPA is loaded with ``eager``.

    Weights are mapped from their file: memory is used as they are touched. There is no network
    access. Raises `UserError` if the weights do not fill the model, or do not fit it.
    """
    if dtype not in DTYPES:
        raise UserError(f"dtype {dtype!r} cannot be", hint=f"It is one of {', '.join(DTYPES)}.")
    torch = require("torch")
    folder = source.root
    if source.manifest.facts.get(FACT):
        check_trusted(folder)
    with quiet_transformers():
        model_class, arguments = _model_class(source)  # imports it
        try:
            model, report = model_class.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                attn_implementation=attention if _supports(model_class, attention) else "eager",
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                **arguments,
            )
        except MemoryError:
            raise
        except Exception as error:  # files that do not fit make it raise every kind there is
            raise UserError(
                f"{folder} cannot be loaded by transformers: {_first_line(error)}",
                hint="Check that config.json and the weights belong together.",
            ) from error
    _check_filled(folder, report)
    model.eval().requires_grad_(False)
    return _flatten(source, model)


def _model_class(source: Artifact) -> tuple[Any, dict[str, Any]]:
    """The class to load, and what its constructor is to be told."""
    transformers = require("transformers")
    if source.manifest.facts.get(FACT):
        return getattr(transformers, _AUTO_CLASSES[source.task]), {"trust_remote_code": True}
    model_class = getattr(transformers, str(source.manifest.facts["architecture"]))
    # The pooler feeds an output that the signature does not have.
    if "add_pooling_layer" in inspect.signature(model_class).parameters:
        return model_class, {"add_pooling_layer": False}
    return model_class, {}


def _supports(model_class: Any, attention: str) -> bool:
    return attention != "sdpa" or getattr(model_class, "_supports_sdpa", True)


def _check_filled(folder: Path, report: dict[str, Any]) -> None:
    """Refuse a model with weights made up at random: transformers only warns of them."""
    missing = sorted(report["missing_keys"])
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise UserError(
            f"{folder} lacks weights that its architecture needs: {shown}",
            hint="Train or fine-tune the model for this task and save it again.",
        )


def _flatten(source: Artifact, model: Any) -> torch.nn.Module:
    from hwcore.transformers.flat import BY_INPUTS

    signature = source.component().signature
    outputs = tuple(spec.name for spec in signature.outputs)
    flat = BY_INPUTS[tuple(spec.name for spec in signature.inputs)](model, outputs)
    return flat.eval()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
