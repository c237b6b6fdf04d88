"""Int8 post-training quantization with NNCF.

Weights are symmetric per channel, activations per tensor with ranges measured on calibration
rows. SmoothQuant (arXiv 2211.10438) moves outliers of activations into the weights before, and
fast bias correction (arXiv 1906.04721, section 4.2) takes the mean error out of biases after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core_plugin_openvino import ir, libraries
from core_plugin_openvino.options import QuantizeOptions
from hwcore.contract import Array, Artifact, Cancelled, Context, Dataset, Draft, Target, UserError
from hwcore.data import batches
from hwcore.vendor import only_errors, same_path

SCHEME = "int8-static"


def int8(
    source: Artifact,
    options: QuantizeOptions,
    data: Dataset | None,
    target: Target,
    out: Path,
    ctx: Context,
) -> Draft:
    """Quantize matrix products and convolutions, and store embedding tables in 8 bits.

    Raises `UserError` without calibration rows, or for options that name what the graph does
    not have; `Cancelled` between two calibration rows.
    """
    if data is None or not data.count("calibration"):
        raise UserError(
            "int8 post-training quantization reads calibration rows, and there are none",
            hint="Give data that is like the model's real inputs: --data.",
        )
    nncf = libraries.nncf()
    model = libraries.core().read_model(source.component_file())
    rows = Calibration(source, data, options.subset_size, ctx)
    try:
        with only_errors("nncf"), same_path(), _no_bars():
            quantized = nncf.quantize(
                model,
                nncf.Dataset(rows),
                preset=nncf.QuantizationPreset(options.preset),
                subset_size=len(rows),
                fast_bias_correction=options.fast_bias_correction,
                model_type=nncf.ModelType.TRANSFORMER,
                ignored_scope=nncf.IgnoredScope(
                    names=list(options.ignored_names),
                    patterns=list(options.ignored_patterns),
                    types=list(options.ignored_types),
                ),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    overflow_fix=nncf.OverflowFix(overflow_fix(options, target)),
                    smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(
                        matmul=options.smooth_quant_alpha
                    ),
                ),
            )
    except (nncf.ValidationError, re.error) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"NNCF does not take these options: {reason}",
            hint="Names and types of nodes are those in the model.xml that is quantized.",
        ) from error
    ctx.progress(0.95, "writing")
    traits = source.traits.model_copy(update={"quantization": SCHEME})
    return ir.write(quantized, source, traits, out)


def overflow_fix(options: QuantizeOptions, target: Target) -> str:
    """NNCF's name of the guard against saturating 16-bit sums.

    They happen where products of bytes are added in pairs (``vpmaddubsw``): x86 without VNNI.
    """
    if options.overflow_fix != "auto":
        return options.overflow_fix
    return "disable" if target.has("vnni") else "enable"


class Calibration:
    """The rows that NNCF reads, again for every pass: each alone and so without padding."""

    def __init__(self, source: Artifact, data: Dataset, limit: int, ctx: Context) -> None:
        self._signature = source.component().signature
        self._data = data
        self._limit = min(limit, data.count("calibration"))
        self._ctx = ctx
        self._seen = 0

    def __len__(self) -> int:
        return self._limit

    def __iter__(self) -> Iterator[dict[str, Array]]:
        for batch in batches(
            self._data,
            "calibration",
            batch_size=1,
            limit=self._limit,
            signature=self._signature,
        ):
            if self._ctx.cancelled():
                raise Cancelled("quantization was stopped")
            yield batch.inputs
            self._seen += 1
            # How many passes there are is NNCF's to know: SmoothQuant, ranges, biases …
            self._ctx.progress(min(0.9, self._seen / (3 * self._limit)), "calibrating")


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep NNCF's progress bars, which it draws on rich's shared console, off the terminal."""
    import rich

    console: Any = rich.get_console()
    quiet, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = quiet
