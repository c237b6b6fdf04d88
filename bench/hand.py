"""An engine driven by hand, with its best settings and nothing of hwcore around it.

Runs as a process of its own and is told what to do on standard input, one JSON object a line:
``{"inputs": ["a.npz", ...], "calls": 20}`` is answered by nanoseconds per call.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Inputs = dict[str, Any]
Call = Callable[[Inputs], object]


def torch_eager(folder: str, threads: int) -> Call:
    """transformers as its documentation has it: SDPA, inference mode, all cores."""
    return _transformers("AutoModel", "last_hidden_state", folder, threads)


def torch_classifier(folder: str, threads: int) -> Call:
    """The same of a model that classifies texts."""
    return _transformers("AutoModelForSequenceClassification", "logits", folder, threads)


def _transformers(kind: str, output: str, folder: str, threads: int) -> Call:
    import torch
    import transformers

    torch.set_num_threads(threads)
    loader = getattr(transformers, kind)
    model = loader.from_pretrained(folder, attn_implementation="sdpa").eval()

    def call(inputs: Inputs) -> object:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
            return model(**tensors)[output].numpy()

    return call


def openvino(folder: str, threads: int) -> Call:
    """Compiled for each shape in use, inputs and outputs shared instead of copied."""
    import openvino as ov

    manifest = json.loads((Path(folder) / "artifact.json").read_text("utf-8"))
    run = _run_options(folder)
    model = Path(folder) / manifest["components"]["model"]["file"]
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if run.get("precision") == "bfloat16" else "f32",
    }
    core = ov.Core()
    requests: dict[tuple[int, ...], Any] = {}

    def compiled(inputs: Inputs) -> Any:
        graph = core.read_model(model)
        graph.reshape({name: list(array.shape) for name, array in inputs.items()})
        return core.compile_model(graph, "CPU", settings).create_infer_request()

    def call(inputs: Inputs) -> object:
        shape = inputs["input_ids"].shape
        request = requests.get(shape)
        if request is None:
            request = requests[shape] = compiled(inputs)
        return request.infer(inputs, share_inputs=True, share_outputs=True)

    return call


def onnxruntime(folder: str, threads: int) -> Call:
    """A session with as many threads as there are cores."""
    import onnxruntime as ort

    manifest = json.loads((Path(folder) / "artifact.json").read_text("utf-8"))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    file = Path(folder) / manifest["components"]["model"]["file"]
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def call(inputs: Inputs) -> object:
        return session.run(None, inputs)

    return call


def hwcore(folder: str, threads: int) -> Call:
    """The same through ``hwcore.load``."""
    from hwcore import load

    return load(folder, threads=threads)


ENGINES = {f.__name__: f for f in (torch_eager, torch_classifier, openvino, onnxruntime, hwcore)}


def _run_options(folder: str) -> dict[str, Any]:
    import yaml

    recipe = yaml.safe_load((Path(folder) / "recipe.yaml").read_text("utf-8"))
    options: dict[str, Any] = recipe["steps"][-1].get("options", {})
    return options


def _load(files: list[str]) -> list[Inputs]:
    loaded = []
    for file in files:
        with np.load(file) as arrays:
            loaded.append({name: arrays[name] for name in arrays.files})
    return loaded


def main() -> None:
    """Load the engine, then answer until standard input ends."""
    name, folder, threads = sys.argv[1:]
    call = ENGINES[name](folder, int(threads))
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        inputs = _load(order["inputs"])
        times = []
        for number in range(order["calls"]):
            arrays = inputs[number % len(inputs)]
            began = time.perf_counter_ns()
            call(arrays)
            times.append(time.perf_counter_ns() - began)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
