"""Peak memory of methods that go layer by layer, on a model of BERT-base's size."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.compression.classifier import CACHE, HOME, SEED, TOKENS, python, splits
from bench.memory import status
from bench.rows import Row

COMMAND = "make bench-compression"
METHODS = {
    "SparseGPT": ("torch", "sparsify", "sparsegpt"),
    "GPTQ in 4 bits": ("intel", "quantize", "int4-gptq"),
    "AWQ in 4 bits": ("intel", "quantize", "int4-awq"),
    "SignRound in 4 bits": ("intel", "quantize", "int4-autoround"),
}
ROWS = 64


def rows(model: Path) -> list[Row]:
    """One row a method, each in a fresh process: the peak over what the bound allows."""
    made = []
    for name, (plugin, hook, capability) in METHODS.items():
        arguments = ("-m", "bench.compression.memory", str(model), plugin, hook, capability)
        found = json.loads(python(*arguments).splitlines()[-1])
        allowed = found["weights"] + 2 * found["layer"]
        made.append(
            Row(
                f"memory of {name}, BERT-base, over weights and two layers' working set",
                "compression", found["peak"] / allowed, "×", "<= 1", COMMAND,
                f"{found['peak'] / 1e6:.0f} MB; weights {found['weights'] / 1e6:.0f} MB, "
                f"a layer's working set {found['layer'] / 1e6:.0f} MB",
            )
        )  # fmt: skip
    return made


def main(model: str, plugin: str, hook: Any, capability: str) -> None:
    """Do the step in this process; print its peak above what importing took, in bytes."""
    import tempfile

    import torch
    import transformers

    from hwcore.artifacts import Cache
    from hwcore.contract import Target
    from hwcore.data import visible
    from hwcore.host import PluginHost, discover, local_cpu
    from hwcore.transformers import read_source
    from hwcore.workflows.data import DataRequest, open_data

    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        work = Path(folder)
        (work / "source").mkdir()
        (work / "result").mkdir()
        source = read_source(model, into=work / "source")
        request = DataRequest(
            splits()[0], text_column="review", label_column="sentiment", max_length=TOKENS,
            rows={"calibration": ROWS},
        )  # fmt: skip
        data = open_data(request, source, Cache(CACHE), seed=SEED)
        config = transformers.AutoConfig.from_pretrained(model)
        torch.ones(64, 64) @ torch.ones(64, 64)  # what a library sets up once is not the layers'
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        with PluginHost(discover(), door="in-process") as host:
            host.call(
                hook, plugin, source=source, capability=capability, options={},
                data=visible(data), target=Target.of(local_cpu()), reference=source,
                out=work / "result",
            )  # fmt: skip
        peak = status("VmHWM") - before
    weights = sum(e.size for n, e in source.manifest.files.items() if n.endswith(".safetensors"))
    print(json.dumps({"peak": peak, "weights": weights, "layer": _layer(config, capability)}))


def _layer(config: Any, capability: str) -> int:
    """Bytes that a method works on for one layer of a BERT, in float32.

    For all: its weights, and the hidden states of all rows before and after. With Hessians: those
    of the inputs of its six linear layers, each with its inverse, that one's factor and a copy to
    factor it in. AWQ: samples of these inputs, and the largest weight with seven ranges, as codes,
    chosen of them, and as values. SignRound: samples, their products, and the largest weight with
    its rounding, errors and the gradients of both.
    """
    from core_plugin_intel.samples import TOKENS as SAMPLED

    width, inner = config.hidden_size, config.intermediate_size
    weights = 4 * width * width + 2 * width * inner
    hidden = ROWS * TOKENS * width
    samples = SAMPLED * (5 * width + inner)
    own = {
        "sparsegpt": 4 * (5 * width**2 + inner**2),
        "int4-gptq": 4 * (5 * width**2 + inner**2),
        "int4-awq": samples + 8 * width * inner,
        "int4-autoround": samples + inner**2 + 12 * width * inner,
    }
    return 4 * (weights + 2 * hidden + own[capability])


if __name__ == "__main__":
    main(*sys.argv[1:])
