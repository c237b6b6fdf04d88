"""``y = x @ w``: exported with weights drawn from the seed, quantized per tensor, run."""

from __future__ import annotations

import os

import numpy as np

from hwcore.contract import (
    Component,
    Device,
    Dim,
    Draft,
    Normal,
    Signature,
    TensorSpec,
    Traits,
    hookimpl,
)


@hookimpl
def devices(ctx):
    if os.environ.get("HWDUMMY_DEVICES") == "fail":
        raise OSError("the driver is upside down")
    return [Device(id="dummy:0", kind="npu", name="Dummy", vendor="Dummies")]


@hookimpl
def export(options, out, ctx):
    rows, columns = options.get("rows", 8), options.get("columns", 4)
    ctx.progress(0.5, "weights")
    weights = np.random.default_rng(ctx.seed).normal(size=(rows, columns)).astype(np.float32)
    np.savez(out / "model.npz", w=weights, scale=np.float32(1))
    ctx.progress(1.0)
    ctx.log(f"{weights.size} weights on {ctx.threads} threads", "warning")
    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", rows), fill=Normal()),),
        outputs=(
            TensorSpec(name="y", dtype="float32", shape=("batch", columns)),
            TensorSpec(name="sum", dtype="float32", shape=("batch",)),
        ),
        dims=(Dim(name="batch"),),
    )
    component = Component(signature=signature, file="model.npz")
    return Draft(format="npz", components={"model": component}, facts={"bits_per_weight": 32.0})


@hookimpl
def quantize(source, out):
    weights = np.load(source.component_file())["w"]
    scale = np.float32(np.abs(weights).max() / 127)
    np.savez(out / "model.npz", w=np.round(weights / scale).astype(np.int8), scale=scale)
    return Draft(format="npz", traits=Traits(quantization="int8-weight"))


@hookimpl
def run(artifact, options):
    return LinearRunner(artifact, options.get("repeat", 1))


class LinearRunner:
    def __init__(self, artifact, repeat):
        arrays = np.load(artifact.component_file())
        self.signature = artifact.component().signature
        self.weights = arrays["w"].astype(np.float32) * arrays["scale"]
        self.repeat = repeat

    def __call__(self, inputs, outputs=None):
        y = inputs["x"]
        for _ in range(self.repeat):
            y = inputs["x"] @ self.weights
        results = {"y": y, "sum": y.sum(axis=1)}
        return {name: results[name] for name in outputs or results}

    def close(self):
        self.weights = None
