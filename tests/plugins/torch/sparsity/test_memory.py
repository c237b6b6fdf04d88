"""What working layer by layer takes in memory, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc"),
]

BLOCKS, WIDTH, INNER, ROWS, TOKENS = 16, 256, 1024, 16, 32
WEIGHTS = 4 * 2 * WIDTH * INNER
"""Bytes of a block's."""
HESSIANS = 4 * (WIDTH**2 + INNER**2)
"""Bytes of what is known of a block's inputs."""
HIDDEN = 4 * ROWS * TOKENS * WIDTH
BOUND = 2 * (WEIGHTS + 4 * HESSIANS + 2 * HIDDEN)
"""Two layers' working sets: weights, Hessian with inverse and factors, all rows' hidden states."""

PRUNE = """
from core_plugin_torch.sparsity.patterns import Blocks
from core_plugin_torch.sparsity.prune import Request, prune

def work(model, rows):
    prune(model, Request("sparsegpt", Blocks(), 0.5), forward=model, rows=rows)
"""
KEEP = 0.9
FACTORIZE = f"""
from core_plugin_torch.lowrank.layers import Want, by_rows, chosen
from core_plugin_torch.lowrank.options import LowRankOptions

def work(model, rows):
    layers = chosen(model, LowRankOptions(keep={KEEP}))
    by_rows(model, layers, Want("keep", {KEEP}), model, rows)
"""
SCRIPT = f"""
import json, pathlib, torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear({WIDTH}, {INNER}), nn.Linear({INNER}, {WIDTH})
    def forward(self, hidden_states):
        return hidden_states + self.down(torch.relu(self.up(hidden_states)))

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Block() for _ in range(BLOCKS))
    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden)
            if not FOLLOWING:
                hidden = hidden.clone()
        return hidden

def status(key):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

torch.set_num_threads(1)
work(nn.Sequential(nn.Linear(64, 64)), [torch.randn(1, 9, 64)])  # what is set up once
model, rows = Model(), [torch.randn(1, {TOKENS}, {WIDTH}) for _ in range({ROWS})]
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
work(model, rows)
print(json.dumps(status("VmHWM") - before))
"""


def _peak(work: str, *, blocks: int = BLOCKS, following: bool = True) -> int:
    """Bytes beside the model; ``following`` says whether blocks follow one another."""
    script = f"BLOCKS, FOLLOWING = {blocks}, {following}\n{work}{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    found: int = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("following", [True, False], ids=["chain", "no chain"])
def test_sparsegpt_takes_no_more_than_two_layers(following: bool) -> None:
    """The Hessians of every layer at once would not do."""
    assert _peak(PRUNE, following=following) <= BOUND < BLOCKS * HESSIANS


def test_factors_take_no_more_than_two_layers() -> None:
    """They take the place of the weights: those of every layer beside them would not do."""
    blocks = 3 * BLOCKS
    assert _peak(FACTORIZE, blocks=blocks) <= BOUND < blocks * KEEP * WEIGHTS
