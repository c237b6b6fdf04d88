"""What each layer of a model costs and weighs: the answer of the hook ``sensitivity``."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from hwcore.contract.base import Value

Treatment = Literal["int8", "int4", "zeros-50", "zeros-75", "zeros-90", "zeros-95"]
"""What is done to one layer: int8 weights and inputs, 4-bit weights, or a share of zeros in %."""

TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)


class LayerSensitivity(Value):
    """One layer, judged with everything else of the model as it was."""

    name: str
    """As the model's framework has it: ``bert.encoder.layer.0.output.dense``."""
    parameters: int = Field(ge=0)
    time_share: float = Field(ge=0, le=1)
    """Of a forward pass of one row, measured as the model runs without any treatment."""
    loss: dict[Treatment, float]
    """By treatment: the model's score without it, less the score with it."""
    error: dict[Treatment, Annotated[float, Field(ge=0)]]
    """By treatment: the squared change of the model's output, relative to the output's square.
    The score of few rows moves in steps; this does not, and is what layers are ranked by."""

    @model_validator(mode="after")
    def _same_treatments(self) -> Self:
        if set(self.loss) != set(self.error):
            raise ValueError(f"{self.name}: loss and error are not of the same treatments")
        return self


class Sensitivity(Value):
    """Every layer that can be treated, in the order of the model."""

    metric: str
    """The user's, or ``agreement`` or ``cosine`` with the untouched model where rows have no
    labels."""
    baseline: float
    """The score of the untouched model."""
    rows: int = Field(ge=1)
    """How many rows the model was judged on."""
    layers: tuple[LayerSensitivity, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the layer {twice[0]} is there twice")
        return self

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """Those that any layer was given, in the order of `TREATMENTS`."""
        return tuple(t for t in TREATMENTS if any(t in layer.loss for layer in self.layers))
