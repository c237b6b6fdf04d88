"""The encoder of BERT (Devlin et al., arXiv 1810.04805) in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hwcore.contract import Array, Arrays, ArtifactCorrupt, Signature

QKV = ("query", "key", "value")
SETTINGS = ("heads", "epsilon")
"""What a file holds beside weights; one without them is not the export's."""


class Encoder:
    """A runner. Calls read the weights and share nothing else, so any thread may call."""

    def __init__(self, file: Path, signature: Signature) -> None:
        """Raises `ArtifactCorrupt` if the file is not what the export wrote."""
        self.signature = signature
        self._weights = read(file)
        self._heads = int(self._weights.pop("heads"))
        self._epsilon = float(self._weights.pop("epsilon"))
        self._layers = len({n.split(".")[2] for n in self._weights if n.startswith("encoder.")})

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """``last_hidden_state``, float32 ``[batch, sequence, hidden]``."""
        ids, weights = inputs["input_ids"], self._weights
        segments = inputs.get("token_type_ids", np.zeros_like(ids))
        x = weights["embeddings.word_embeddings.weight"][ids]
        x = x + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + weights["embeddings.token_type_embeddings.weight"][segments]
        x = self._norm("embeddings.LayerNorm", x)
        masked = np.where(inputs["attention_mask"] == 0, np.float32(-1e9), np.float32(0))
        for layer in range(self._layers):
            x = self._layer(f"encoder.layer.{layer}", x, masked[:, None, None, :])
        return {"last_hidden_state": x}

    def close(self) -> None:
        """Free the weights."""
        self._weights = {}

    def _layer(self, name: str, x: Array, masked: Array) -> Array:
        """One transformer block; ``masked`` is added to the scores, very negative for padding."""
        q, k, v = (self._split(f"{name}.attention.self.{part}", x) for part in QKV)
        scores = q @ k.swapaxes(-1, -2) / np.float32(q.shape[-1] ** 0.5) + masked
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        joined = (shares @ v).swapaxes(1, 2).reshape(x.shape)
        attended = self._linear(f"{name}.attention.output.dense", joined)
        x = self._norm(f"{name}.attention.output.LayerNorm", x + attended)
        wide = gelu(self._linear(f"{name}.intermediate.dense", x))
        narrow = self._linear(f"{name}.output.dense", wide)
        return self._norm(f"{name}.output.LayerNorm", x + narrow)

    def _split(self, name: str, x: Array) -> Array:
        """A projection, ``[batch, heads, sequence, width of a head]``."""
        batch, length, width = x.shape
        parts = self._linear(name, x).reshape(batch, length, self._heads, width // self._heads)
        return parts.swapaxes(1, 2)

    def _linear(self, name: str, x: Array) -> Array:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: Array) -> Array:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(self._epsilon))
        return x * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def read(file: Path) -> dict[str, Array]:
    """The arrays of a file. Raises `ArtifactCorrupt` if it is not what the export wrote."""
    try:
        with file.open("rb") as stream, np.load(stream) as stored:
            return {name: stored[name] for name in (*SETTINGS, *stored.files)}
    except MemoryError:
        raise
    except Exception as error:  # a damaged zip file makes numpy raise every kind there is
        raise ArtifactCorrupt(
            f"{file} cannot be read: {error}", hint="Export the model again."
        ) from error


def gelu(x: Array) -> Array:
    """``x * Φ(x)``; erf by Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.float32(1.061405429) * t - np.float32(1.453152027)
    for term in (1.421413741, -0.284496736, 0.254829592):
        series = series * t + np.float32(term)
    erf = np.copysign(1 - series * t * np.exp(-z * z), x)
    return x * (1 + erf) / 2


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The weights that the encoder of a ``config.json`` reads, by name: the shape of each."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    linears: dict[str, tuple[int, int]] = {}
    norms = ["embeddings.LayerNorm"]
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        linears |= {f"{name}.attention.self.{part}": (width, width) for part in QKV}
        linears[f"{name}.attention.output.dense"] = (width, width)
        linears[f"{name}.intermediate.dense"] = (inner, width)
        linears[f"{name}.output.dense"] = (width, inner)
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
    }
    for name, shape in linears.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        found |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return found
