"""Make the models that plugins are tried on, and what transformers itself answers for them.

Runs as a process of its own, ``python -m hwcore_conformance.making FOLDER SEED NAME...``, so that
the suite imports neither torch nor transformers. Weights are drawn from the seed: a plugin
cannot know the answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hwcore.contract import Artifact
from hwcore.data import example_inputs
from hwcore.transformers import load_module, read_source
from hwcore_conformance.models import ANSWERS, MODEL, SIZES, WORDS, Model, known, sizes_of

_HIDDEN = 32
_POSITIONS = 64
_IMAGE = 32


def make(folder: Path, model: Model, seed: int) -> None:
    """Write the model and its answers into ``folder``."""
    import torch
    import transformers

    home = folder / MODEL
    torch.manual_seed(seed)
    config = getattr(transformers, f"{model.prefix}Config")(**_shape(model))
    made = getattr(transformers, model.architecture)(config)
    _spread(made)
    made.save_pretrained(home)
    if model.modality == "text":
        _tokenizer(home, segments=model.segments)
    else:
        _write(home / "preprocessor_config.json", _processor())
    answer(folder, read_source(home, into=folder / "source"), seed)


def answer(folder: Path, source: Artifact, seed: int) -> None:
    """Write inputs of unlike sizes, and what the model gives for them in eager float32."""
    import torch

    module = load_module(source)
    signature = source.component().signature
    arrays: dict[str, Any] = {}
    for case in range(len(SIZES)):
        inputs = example_inputs(signature, sizes_of(signature, case), seed=seed + case)
        with torch.inference_mode():
            outputs = module(**{name: torch.from_numpy(a) for name, a in inputs.items()})
        arrays |= {f"{case}/in/{name}": array for name, array in inputs.items()}
        arrays |= {
            f"{case}/out/{spec.name}": output.numpy()
            for spec, output in zip(signature.outputs, outputs, strict=True)
        }
    np.savez(folder / ANSWERS, allow_pickle=False, **arrays)


def _shape(model: Model) -> dict[str, Any]:
    """A config that is small, and unlike in every size that could be taken for another."""
    shape: dict[str, Any] = {"initializer_range": 0.2}
    if model.task != "feature-extraction":
        shape |= {"id2label": {0: "low", 1: "middle", 2: "high"}}
        shape |= {"label2id": {"low": 0, "middle": 1, "high": 2}}
    if model.modality == "image":
        return shape | {
            "hidden_size": _HIDDEN,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": _IMAGE,
            "patch_size": 8,
            "num_channels": 3,
        }
    shape |= {"vocab_size": WORDS + 8, "max_position_embeddings": _POSITIONS, "pad_token_id": 0}
    if model.prefix == "DistilBert":
        return shape | {"dim": _HIDDEN, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
    shape |= {
        "hidden_size": _HIDDEN,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    if model.segments:
        shape["type_vocab_size"] = 2
    if model.prefix in ("Albert", "Electra"):
        shape["embedding_size"] = 24
    if model.prefix == "ModernBert":
        shape |= {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
        shape |= {"reference_compile": False, "local_attention": 16}
    return shape


def _spread(model: Any) -> None:
    """Give biases and norms values of their own: a plugin that drops one is to be seen."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)


def _tokenizer(folder: Path, *, segments: bool) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ("pad", "unk", "cls", "sep", "mask")
    special = {f"{name}_token": f"[{name.upper()}]" for name in names}
    words = list(special.values()) + [f"w{number}" for number in range(WORDS)]
    made = Tokenizer(
        models.WordLevel(
            {word: index for index, word in enumerate(words)}, unk_token=special["unk_token"]
        )
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        **special,
        model_max_length=_POSITIONS - 2,
        model_input_names=inputs if segments else [inputs[0], inputs[2]],
    ).save_pretrained(folder)


def _processor() -> dict[str, Any]:
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": _IMAGE, "width": _IMAGE},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def main() -> None:
    """Make the models named."""
    home, seed, *names = sys.argv[1:]
    for name in names:
        folder = Path(home) / name
        folder.mkdir(parents=True)
        make(folder, known(name), int(seed))
        print(name, flush=True)  # noqa: T201 - what the suite reads


if __name__ == "__main__":
    main()
