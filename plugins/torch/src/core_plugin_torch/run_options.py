"""Options of exporting, compiling and running."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core_plugin_torch.described import Described


class ExportOptions(Described):
    """Options of ``export``."""

    attention: Literal["sdpa", "eager"] = "sdpa"
    """``sdpa`` keeps attention one operator, ``eager`` spells it out in products."""


class _RunOptions(Described):
    threads: int | None = Field(default=None, ge=1)
    """Threads of an operation; null for all that the step was given."""


class Float32Options(_RunOptions):
    """Options of ``eager``, ``exported`` and ``compiled``."""

    precision: Literal["float32"] = "float32"
    """Weights and maths, where they are not quantized."""


class Bfloat16Options(_RunOptions):
    """Options of ``eager-bf16``."""

    precision: Literal["bfloat16"] = "bfloat16"
    """Weights and maths; what comes out is float32 again."""


class CompileOptions(Described):
    """Options of ``aoti``."""

    max_autotune: bool = False
    """Time several kernels for each product and keep the fastest: minutes of compiling."""
