"""Which architectures hwcore reads, and what it has to know of each to feed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hwcore.contract import UserError

Modality = Literal["text", "image", "maps"]
"""``maps`` takes an image, too, and its hidden states are feature maps rather than tokens: of such
models the classifiers are read."""

HEADS: dict[Modality, dict[str, str]] = {
    "text": {"Model": "feature-extraction", "ForSequenceClassification": "text-classification"},
    "image": {"Model": "feature-extraction", "ForImageClassification": "image-classification"},
    "maps": {"ForImageClassification": "image-classification"},
}
"""Task by the end of the architecture's name."""


@dataclass(frozen=True)
class Family:
    """One kind of model: ``prefix`` + a head from `HEADS` is the name of its class."""

    model_type: str
    prefix: str
    modality: Modality = "text"
    segments: bool = False
    """Takes ``token_type_ids`` when its vocabulary of them has more than one entry."""
    padded_positions: bool = False
    """Positions are counted from the padding id on: that many fewer are left for tokens."""
    extra_tokens: int = 1
    """Image models: tokens besides the patches (class token, distillation token)."""
    width: str = "hidden_size"
    """Config key of the width of the hidden states."""


FAMILIES = (
    Family("albert", "Albert", segments=True),
    Family("bert", "Bert", segments=True),
    Family("camembert", "Camembert", padded_positions=True),
    Family("convnext", "ConvNext", "maps"),
    Family("convnextv2", "ConvNextV2", "maps"),
    Family("deberta-v2", "DebertaV2", segments=True),
    Family("deit", "DeiT", "image", extra_tokens=2),
    Family("distilbert", "DistilBert", width="dim"),
    Family("electra", "Electra", segments=True),
    Family("modernbert", "ModernBert"),
    Family("mpnet", "MPNet", padded_positions=True),
    Family("roberta", "Roberta", padded_positions=True),
    Family("vit", "ViT", "image"),
    Family("xlm-roberta", "XLMRoberta", padded_positions=True),
)


@dataclass(frozen=True)
class Kind:
    """What a model is: its class, its task and its family."""

    architecture: str
    task: str
    family: Family


def identify(config: dict[str, Any], *, remote_code: bool) -> Kind:
    """Tell architecture and task from a config.

    With ``remote_code`` an architecture that is not in the table is taken by the end of its
    name, as the code beside it is what will run. Raises `UserError` that lists what is
    supported.
    """
    names = config.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise UserError(
            f"config.json names {names!r} as architectures, expected a list with one name",
            hint='Add it, for example "architectures": ["BertForSequenceClassification"].',
        )
    [name] = names
    for family in FAMILIES:
        task = HEADS[family.modality].get(name.removeprefix(family.prefix))
        if name.startswith(family.prefix) and task is not None:
            if config.get("model_type") != family.model_type:
                raise UserError(
                    f"config.json has model_type {config.get('model_type')!r}, "
                    f"but the architecture {name} is of type {family.model_type!r}",
                    hint="Make the two agree, or save the model again with save_pretrained().",
                )
            return Kind(name, task, family)
    if remote_code:
        return _by_name(name, config)
    raise _unsupported(name)


def _by_name(name: str, config: dict[str, Any]) -> Kind:
    modality: Modality = "text" if "vocab_size" in config else "image"
    for ending, task in HEADS[modality].items():
        if name.endswith(ending):
            family = Family(
                str(config.get("model_type")), name.removesuffix(ending), modality, segments=True
            )
            return Kind(name, task, family)
    raise _unsupported(name)


def _unsupported(name: str) -> UserError:
    families = ", ".join(
        f"{family.prefix} ({', '.join(HEADS[family.modality])})" for family in FAMILIES
    )
    tasks = sorted({task for heads in HEADS.values() for task in heads.values()})
    return UserError(
        f"the architecture {name} is not supported",
        hint=f"Supported tasks: {', '.join(tasks)}. Supported architectures: {families}.",
    )
