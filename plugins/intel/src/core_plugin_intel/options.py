"""Options of each capability, and the JSON Schema of them that the manifest points to.

``python -m core_plugin_intel.options`` prints the schema; a test holds it equal to
``options.schema.json``. Where Neural Compressor has a name for something, it is that.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from hwcore.contract import Value


class _Options(Value):
    model_config = ConfigDict(use_attribute_docstrings=True)  # they become descriptions

    float_layers: tuple[str, ...] = ()
    """Linear layers and convolutions to leave in float32, as regular expressions of their whole
    names."""
    config: str | dict[str, JsonValue] | None = None
    """Neural Compressor's own configuration, of version 1, 2 or 3: a YAML or JSON file, a folder
    that has one, a model on the hub that has one (``owner/name``, or ``owner/name:file``), or what
    stands in it."""


class _Compact(_Options):
    embeddings: Literal["int8", "float32"] = "int8"
    """How embedding tables are stored: in 8 bits with a scale for each row, or as they are."""


class _Products(_Compact):
    w_granularity: Literal["per_channel", "per_tensor"] = "per_channel"
    """Weights get a scale for each output channel, or one in all."""


class StaticOptions(_Products):
    """Options of ``int8-static`` and ``onnx-int8``."""

    act_algo: Literal["minmax", "kl"] = "minmax"
    """How ranges of activations are measured: ``minmax`` is the mean over rows of their least and
    largest values; ``kl`` keeps a histogram and cuts it off where the squared error is least,
    which takes many times as long."""
    act_dtype: Literal["uint8", "int8"] = "uint8"
    """Of activations."""
    act_sym: bool = False
    """Put zero in the middle of an activation's range."""
    smooth_alpha: float | None = Field(default=None, ge=0, le=1)
    """How much of the activations' outliers moves into the weights (SmoothQuant, arXiv
    2211.10438) before ranges are measured; null for none."""
    calibration_sampling_size: int = Field(default=64, ge=8)
    """Calibration rows to read at most."""
    bf16_layers: tuple[str, ...] = ()
    """Linear layers to compute in bfloat16, as regular expressions of their whole names; not as
    ONNX, which ONNX Runtime could not run."""


class DynamicOptions(_Products):
    """Options of ``int8-dynamic``."""

    act_dtype: Literal["uint8", "int8"] = "uint8"
    """Of activations, whose range is measured at each call."""


class TunedOptions(StaticOptions):
    """Options of ``int8-tuned`` and ``onnx-int8-tuned``."""

    tolerable_loss: float = Field(default=0.01, ge=0)
    """How much of the score may be lost."""
    criterion: Literal["relative", "absolute"] = "relative"
    """Whether that is a share of the score in float32, or a difference from it."""
    try_smoothing: bool = True
    """Try the model with outliers moved, too, where ``smooth_alpha`` does not say how much."""
    max_trials: int = Field(default=10, ge=1)
    """Models to make and score at most."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which no further trial is begun; null for no limit."""


class HalfOptions(_Options):
    """Options of ``bf16``."""


class Int8WeightOptions(_Compact):
    """Options of ``int8-weights``."""


class Int4Options(_Compact):
    """What the algorithms for 4 bits share."""

    group_size: int = Field(default=32, ge=8)
    """Weights of one output that share a scale; where it does not divide a layer's inputs, its
    largest divisor that does."""


class RtnOptions(Int4Options):
    """Options of ``int4-rtn``."""

    use_sym: bool = False
    """Codes around zero, without the zero points that follow the weights."""
    use_mse_search: bool = True
    """Look for the part of the range that gives the least squared error."""


class HqqOptions(Int4Options):
    """Options of ``int4-hqq``."""


class _Sampled(Int4Options):
    calibration_sampling_size: int = Field(default=64, ge=8)
    """Calibration rows to read at most."""


class GptqOptions(_Sampled):
    """Options of ``int4-gptq``."""

    use_sym: bool = False
    """Codes around zero, without the zero points that follow the weights."""
    act_order: bool = False
    """Round the channels with the largest activations first."""


class AwqOptions(_Sampled):
    """Options of ``int4-awq``."""

    use_sym: bool = False
    """Codes around zero, without the zero points that follow the weights."""


class AutoRoundOptions(_Sampled):
    """Options of ``int4-autoround``."""

    use_sym: bool = False
    """Codes around zero, without the zero points that follow the weights."""
    iters: int = Field(default=100, ge=1)
    """Steps for each layer."""


BY_CAPABILITY: dict[str, type[Value]] = {
    "int8-static": StaticOptions,
    "int8-dynamic": DynamicOptions,
    "int8-tuned": TunedOptions,
    "onnx-int8": StaticOptions,
    "onnx-int8-tuned": TunedOptions,
    "bf16": HalfOptions,
    "int8-weights": Int8WeightOptions,
    "int4-rtn": RtnOptions,
    "int4-hqq": HqqOptions,
    "int4-gptq": GptqOptions,
    "int4-awq": AwqOptions,
    "int4-autoround": AutoRoundOptions,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the options, by capability id."""
    return {id: model.model_json_schema() for id, model in BY_CAPABILITY.items()}


def as_text() -> str:
    """What ``options.schema.json`` holds."""
    return json.dumps(schemas(), indent=2) + "\n"


if __name__ == "__main__":
    print(as_text(), end="")  # noqa: T201 - this is its output
