"""The decoder of GPT-2 (Radford et al., 2019) in numpy, with a cache of keys and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from acme_reference.weights import read
from hwcore.contract import Array, Signature

Past = list[tuple[Array, Array]]
"""Keys and values of each layer, ``[batch, heads, tokens, width of a head]``."""


class Decoder:
    """A runner. Calls read the weights and share nothing else."""

    def __init__(self, file: Path, signature: Signature) -> None:
        """Raises `ArtifactCorrupt` if the file is not what the export wrote."""
        self.signature = signature
        self._weights = read(file)
        self._heads = int(self._weights.pop("heads"))
        self._epsilon = float(self._weights.pop("epsilon"))
        self.layers = len({name.split(".")[1] for name in self._weights if name.startswith("h.")})

    def __call__(self, inputs: Any, outputs: Any = None) -> dict[str, Array]:
        """``logits``, float32 ``[batch, sequence, vocabulary]``."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        return {"logits": self.forward(ids, mask, [])[0]}

    def session(self, batch: int, max_tokens: int) -> Session:
        """A cache for ``batch`` sequences."""
        return Session(self, batch)

    def close(self) -> None:
        """Free the weights."""
        self._weights = {}

    def forward(self, ids: Array, mask: Array, past: Past) -> tuple[Array, Past]:
        """Logits of new tokens, and what is to be kept of all; ``mask`` is of all tokens."""
        weights, done = self._weights, past[0][0].shape[2] if past else 0
        x = weights["wte.weight"][ids] + weights["wpe.weight"][done : done + ids.shape[1]]
        places = np.arange(mask.shape[1])
        later = places[None, :] > np.arange(done, done + ids.shape[1])[:, None]
        masked = np.where(later[None, None] | (mask == 0)[:, None, None], np.float32(-1e9), 0)
        kept: Past = []
        for layer in range(self.layers):
            name = f"h.{layer}"
            q, k, v = np.split(
                self._linear(f"{name}.attn.c_attn", self._norm(f"{name}.ln_1", x)), 3, -1
            )
            q, k, v = (self._split(part) for part in (q, k, v))
            if past:
                k, v = (np.concatenate(pair, 2) for pair in zip(past[layer], (k, v), strict=True))
            kept.append((k, v))
            scores = q @ k.swapaxes(-1, -2) / np.float32(q.shape[-1] ** 0.5) + masked
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            joined = (shares @ v).swapaxes(1, 2).reshape(x.shape)
            x = x + self._linear(f"{name}.attn.c_proj", joined)
            wide = _gelu(self._linear(f"{name}.mlp.c_fc", self._norm(f"{name}.ln_2", x)))
            x = x + self._linear(f"{name}.mlp.c_proj", wide)
        logits = self._norm("ln_f", x) @ weights["wte.weight"].T
        return logits.astype(np.float32), kept

    def _split(self, x: Array) -> Array:
        batch, length, width = x.shape
        return x.reshape(batch, length, self._heads, width // self._heads).swapaxes(1, 2)

    def _linear(self, name: str, x: Array) -> Array:
        """GPT-2 stores its matrices as ``[inputs, outputs]``."""
        return x @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: Array) -> Array:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(self._epsilon))
        return x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


class Session:
    """The cache of one batch of sequences."""

    def __init__(self, decoder: Decoder, batch: int) -> None:
        self.decoder = decoder
        self.past: Past = []
        self.mask = np.zeros((batch, 0), np.int64)

    def prefill(self, input_ids: Array, attention_mask: Array, *, last_only: bool = True) -> Array:
        """Feed prompts; logits of their last tokens, or of all."""
        self.mask = attention_mask
        logits, self.past = self.decoder.forward(input_ids, self.mask, [])
        return logits[:, -1:] if last_only else logits

    def step(self, input_ids: Array) -> Array:
        """Feed one token each."""
        self.mask = np.concatenate([self.mask, np.ones_like(input_ids)], axis=1)
        logits, self.past = self.decoder.forward(input_ids, self.mask, self.past)
        return logits

    def reorder(self, rows: Array) -> None:
        """Row ``i`` continues from what was row ``rows[i]``."""
        self.past = [(k[rows], v[rows]) for k, v in self.past]
        self.mask = self.mask[rows]

    def reset(self) -> None:
        """Forget all tokens."""
        self.past, self.mask = [], self.mask[:, :0]

    def close(self) -> None:
        """Free the cache."""
        self.past = []


def _gelu(x: Array) -> Array:
    """The approximation with tanh (Hendrycks and Gimpel, arXiv 1606.08415)."""
    inner = np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x**3)
    return x * (1 + np.tanh(inner)) / 2
