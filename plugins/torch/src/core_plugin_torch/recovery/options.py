"""Options of recovery."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from core_plugin_torch.described import Described


class RecoverOptions(Described):
    """What every training has."""

    epochs: float = Field(default=3, gt=0, le=1000)
    """How often each train row is seen."""
    max_steps: int | None = Field(default=None, ge=1)
    """Steps at most; null for what the epochs take."""
    batch_size: int = Field(default=16, ge=1, le=4096)
    """Rows of a step, on each device."""
    learning_rate: float = Field(default=1e-4, gt=0, lt=1)
    """Of fused AdamW; it falls to zero on a straight line."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    temperature: float = Field(default=2.0, gt=0, le=100)
    """Of distillation: higher makes more of classes that the original thinks unlikely."""
    labels: float = Field(default=0.1, ge=0, le=1)
    """Weight of the user's labels against the original's answers; 0 where rows have none."""
    hidden: float = Field(default=1.0, ge=0, le=1000)
    """Weight of the distance between hidden states, layer by layer; 0 leaves them free."""
    dropout: bool = False
    """Train with the model's dropout on: for many epochs over few rows."""
    freeze: tuple[str, ...] = ()
    """Parts that do not learn, by name or shell pattern, such as ``*.embeddings``."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of products in training. ``auto``: bfloat16 where the target multiplies it. Weights and
    evaluation are float32 either way."""
    evaluations: int = Field(default=10, ge=1, le=1000)
    """How often the ``tune`` rows are scored, evenly over the training."""
    patience: int | None = Field(default=4, ge=1)
    """Stop after so many evaluations without a better score; null goes on to the end."""
    max_drop: float | None = Field(default=None, ge=0, lt=1)
    """Stop as soon as the score is within this of the original's; null goes on."""
    checkpoints: str | None = None
    """A folder for the state of the training, which a later call with it goes on from; null keeps
    none beyond the step."""
    trainer: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of transformers' Trainer, by its names, such as ``gradient_accumulation_steps`` or
    ``weight_decay``."""


class PruneRecoverOptions(RecoverOptions):
    """Options of ``prune-recover``."""

    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """Of fused AdamW; it falls to zero on a straight line."""
    pattern: str | None = None
    """``unstructured``, N:M such as ``2:4``, or blocks such as ``1x4``; null for that of a source
    that is sparse, and else ``unstructured``."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Of zeros in the layers that are pruned; null for a source's own, and else 0.5, or what the
    pattern has."""
    importance: Literal["l1", "l2", "movement"] = "l1"
    """What goes first: small weights, or those that training moves towards zero."""
    distribution: Literal["uniform", "global"] = "uniform"
    """Whether each layer gets the same share, or one threshold holds for all."""
    begin: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps before the first zeros."""
    end: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps after which there are all zeros; the rest is for recovering."""
    rewind: bool = False
    """Lottery ticket: when all zeros are there, give what is left the values that it has in
    the original, and train from there."""
    include: tuple[str, ...] = ()
    """Layers to prune, by name or shell pattern, embeddings and heads too; empty for the linear
    layers of the model's blocks."""
    exclude: tuple[str, ...] = ()
    """Layers to leave as they are, by name or shell pattern, such as ``*.attention.*``."""


class QatOptions(RecoverOptions):
    """Options of ``qat``."""

    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    """Of fused AdamW; it falls to zero on a straight line."""
    ranges: Literal["observed", "learnt"] = "observed"
    """Of activations: moving averages of what is seen, or trained along with the weights."""
    observe: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps in which ranges are observed, where they are; then they stay."""
    calibrate: int = Field(default=128, ge=1)
    """Train rows at most that ranges are begun with, before the first step."""
    exclude: tuple[str, ...] = ()
    """Linear layers to leave in floating point, by name or shell pattern."""
