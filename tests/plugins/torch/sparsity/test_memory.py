"""What pruning layer by layer takes in memory, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

BLOCKS, WIDTH, INNER, ROWS, TOKENS = 16, 256, 1024, 16, 32

SCRIPT = f"""
import json, pathlib, torch
from torch import nn
from core_plugin_torch.sparsity.patterns import Blocks
from core_plugin_torch.sparsity.prune import Request, prune

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear({WIDTH}, {INNER}), nn.Linear({INNER}, {WIDTH})
    def forward(self, hidden_states):
        return hidden_states + self.down(torch.relu(self.up(hidden_states)))

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Block() for _ in range({BLOCKS}))
    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden

def status(key):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

torch.set_num_threads(1)
# What a library sets up once is not the layers'.
small = nn.Sequential(nn.Linear(64, 64))
prune(small, Request("sparsegpt", Blocks(), 0.5), forward=small, rows=[torch.randn(1, 9, 64)])
model, rows = Model(), [torch.randn(1, {TOKENS}, {WIDTH}) for _ in range({ROWS})]
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
prune(model, Request("sparsegpt", Blocks(), 0.5), forward=model, rows=rows)
print(json.dumps(status("VmHWM") - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_sparsegpt_takes_no_more_than_two_layers() -> None:
    """A layer's working set: weights, Hessian with inverse and factors, hidden states of all rows.

    Those of every layer at once would not do.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    weights, hessian = 4 * 2 * WIDTH * INNER, 4 * (WIDTH**2 + INNER**2)
    hidden = 4 * ROWS * TOKENS * WIDTH
    bound = 2 * (weights + 4 * hessian + 2 * hidden)
    assert json.loads(done.stdout) <= bound < BLOCKS * hessian
