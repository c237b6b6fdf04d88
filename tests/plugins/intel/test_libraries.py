"""What importing Neural Compressor leaves behind in the process: nothing."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = """
import torch._inductor.config as inductor
from core_plugin_intel.libraries import quantization, silent

quantization()
with silent():
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer
print(inductor.pre_grad_custom_pass)
"""


def test_compiling_does_not_depend_on_what_was_quantized_before() -> None:
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", IMPORTED),
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "None\n"
