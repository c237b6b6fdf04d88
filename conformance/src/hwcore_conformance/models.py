"""The models that plugins are tried on: one small random one of each architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hwcore.contract import Signature, UserError

MODEL: Final = "model"
ANSWERS: Final = "answers.npz"

WORDS: Final = 120
"""Words of the made-up tokenizer: w0, w1 …"""

SIZES: Final = ((1, 7), (3, 33), (2, 16), (1, 1))
"""Batch and length of each case: odd and even, below and above a vector register, and least."""


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

MODELS: Final = tuple(
    Model(f"{name}-{task}", prefix, task, "text", segments)
    for name, (prefix, segments) in _PREFIXES.items()
    for task in _TEXT
) + tuple(
    Model(f"{name}-{task}", prefix, task, "image")
    for name, prefix in {"vit": "ViT", "deit": "DeiT"}.items()
    for task in _IMAGE
)

QUICK: Final = ("bert", "roberta", "distilbert", "vit")
"""Families of a quick run."""


def known(name: str) -> Model:
    """The model of that name. Raises `UserError`."""
    for model in MODELS:
        if model.name == name:
            return model
    raise UserError(
        f"there is no model {name!r}", hint=f"There are: {', '.join(m.name for m in MODELS)}."
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
