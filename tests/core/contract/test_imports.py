"""The contract imports nothing else of ours, and nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = "import hwcore.contract, json, sys; print(json.dumps(sorted(sys.modules)))"
HEAVY = ("numpy", "torch", "transformers", "onnx", "onnxruntime", "openvino", "yaml", "jsonschema")


def modules(program: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_the_contract_stands_alone() -> None:
    loaded = modules(PROGRAM)
    ours = {name for name in loaded if name.split(".")[0] == "hwcore"}
    beyond = {name for name in ours if not name.startswith("hwcore.contract")}
    assert beyond == {"hwcore", "hwcore._version"}
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}
    assert not {name for name in loaded if name.startswith("core_plugin")}
