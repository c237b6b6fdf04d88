"""Peak memory of exporting a model of BERT-base's size, in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.rows import Row

COMMAND = "make bench"
CASES = {
    "ONNX": ("onnxruntime", "onnx", ("torch", "transformers", "onnx", "onnxscript"), "<= 1.5"),
    "IR": ("openvino", "ir", ("torch", "transformers", "openvino"), "<= 2.5"),
}


def rows() -> list[Row]:
    """One row per graph format."""
    made = []
    with tempfile.TemporaryDirectory(dir="build") as folder:
        model = Path(folder) / "model"
        _fresh(["make", str(model)])
        for name, (plugin, capability, imports, goal) in CASES.items():
            arguments = ["export", str(model), plugin, capability, ",".join(imports)]
            found = json.loads(_fresh([*arguments, str(Path(folder) / name)]).splitlines()[-1])
            made.append(
                Row(
                    f"peak memory of {name} export, BERT-base, above the importing process",
                    "foundation", found["peak"] / found["weights"], "× weights", goal, COMMAND,
                    f"{found['peak'] / 1e6:.0f} MB for {found['weights'] / 1e6:.0f} MB of weights",
                )
            )  # fmt: skip
    return made


def _fresh(arguments: list[str]) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "bench.memory", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make(folder: str) -> None:
    """A random model with BERT-base's dimensions."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(BertConfig(), add_pooling_layer=False).save_pretrained(folder)


def export(model: str, plugin: str, capability: str, imports: str, out: str) -> None:
    """Export in this process; print the peak above what its imports took."""
    import importlib

    from hwcore.contract import Target
    from hwcore.host import PluginHost, discover, local_cpu
    from hwcore.transformers import read_source

    work = Path(out)
    (work / "source").mkdir(parents=True)
    (work / "result").mkdir()
    source = read_source(model, into=work / "source")
    for name in imports.split(","):
        importlib.import_module(name)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    with PluginHost(discover(), door="in-process") as host:
        host.call(
            "export", plugin, source=source, capability=capability, options={}, data=None,
            target=Target.of(local_cpu()), reference=source, out=work / "result",
        )  # fmt: skip
    weights = sum(e.size for n, e in source.manifest.files.items() if n.endswith(".safetensors"))
    print(json.dumps({"peak": status("VmHWM") - before, "weights": weights}))


def status(field: str) -> int:
    """Bytes of a field of this process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {field}: this needs Linux")


if __name__ == "__main__":
    {"make": make, "export": export}[sys.argv[1]](*sys.argv[2:])
