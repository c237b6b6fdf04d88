"""Logits of the mean of the word embeddings: a BERT classifier without its encoder.

Every step writes one of its files, waits for ``HWSKETCH_PAUSE`` seconds, and then the other: a
program that is killed at a random moment is often killed between the two.
"""

from __future__ import annotations

import os
import time

import numpy as np
from safetensors.numpy import load_file

from hwcore.contract import Draft, Traits, hookimpl

WORDS, HEAD = "words.npy", "head.npy"


@hookimpl
def export(source, out, ctx):
    arrays = read_checkpoint(source.root)
    write(out, arrays, ctx)
    return draft(source, Traits(), {})


@hookimpl
def quantize(source, out, ctx):
    arrays = read(source.root)
    words = arrays["words"]
    scale = np.abs(words).max() / 127
    arrays["words"] = (np.round(words / scale) * scale).astype(np.float32)
    write(out, arrays, ctx)
    return draft(source, Traits(quantization="int8-weight"), {"ops_quantized": 1})


@hookimpl
def compile(source, out, ctx):
    write(out, read(source.root), ctx)
    return draft(source, source.traits.model_copy(update={"stage": "compiled"}), {})


@hookimpl
def run(artifact, capability):
    arrays = read_checkpoint(artifact.root) if capability == "plain" else read(artifact.root)
    # The reference works in a way that is slow and gives the same numbers.
    return Sketch(artifact.component().signature, arrays, slow=capability == "plain")


class Sketch:
    def __init__(self, signature, arrays, slow):
        self.signature = signature
        self.words, self.head = arrays["words"], arrays["head"]
        self.slow = slow

    def __call__(self, inputs, outputs=None):
        for _ in range(20 if self.slow else 1):
            mask = inputs["attention_mask"][..., None].astype(np.float32)
            mean = (self.words[inputs["input_ids"]] * mask).sum(1) / mask.sum(1)
            logits = mean @ self.head
        return {"logits": logits}

    def close(self):
        self.words = self.head = None


def read_checkpoint(folder):
    tensors = load_file(folder / "model.safetensors")
    return {
        "words": tensors["bert.embeddings.word_embeddings.weight"],
        "head": tensors["classifier.weight"].T,
    }


def read(folder):
    return {"words": np.load(folder / WORDS), "head": np.load(folder / HEAD)}


def write(out, arrays, ctx):
    ctx.progress(0.1, "writing")
    np.save(out / WORDS, arrays["words"])
    time.sleep(float(os.environ.get("HWSKETCH_PAUSE", "0")))
    np.save(out / HEAD, arrays["head"])


def draft(source, traits, facts):
    component = source.component().model_copy(update={"file": WORDS})
    return Draft(format="sketch", traits=traits, components={"model": component}, facts=facts)
