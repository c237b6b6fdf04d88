"""``y = x @ w``. ``options["fault"]`` of ``int8`` says which promise it is to break."""

from __future__ import annotations

import numpy as np

from hwcore.contract import Draft, TensorSpec, Traits, hookimpl


@hookimpl
def compile(source, capability, target, out, ctx):
    ctx.log(f"made {capability}")
    arrays = dict(np.load(source.component_file()))
    if capability == "off":
        arrays["w"] = arrays["w"] + np.float32(0.01)
    np.savez(out / "model.npz", **arrays)
    if capability == "pack":
        traits = source.traits.model_copy(
            update={"stage": "compiled", "bound_to": target.fingerprint}
        )
        return Draft(format="toy-packed", traits=traits)
    formats = {"off": "toy-packed", "odd": "odd", "from-odd": "toy"}
    return Draft(format=formats[capability], traits=source.traits)


@hookimpl
def quantize(source, capability, options, out, ctx):
    ctx.log(f"made {capability}")
    weights = np.load(source.component_file())["w"]
    scale = np.float32(np.abs(weights).max() / 127)
    rounded = np.round(weights / scale).astype(np.int8)
    facts = {"parameters": weights.size, "bits_per_weight": 8.0, "ops_quantized": 1}
    components = {}
    if capability == "tuned":
        facts["score"] = ctx.score(lambda inputs: {"logits": inputs["x"][:, :2]})
    match options.get("fault"):
        case "raise":
            raise ValueError("the scales are upside down")
        case "nan":
            scale = np.float32(np.nan)
        case "unproven":
            del facts["ops_quantized"]
        case "large":
            (out / "ballast.bin").write_bytes(bytes(3 << 20))
        case "link":
            (out / "link").symlink_to("/etc/hosts")
        case "manifest":
            (out / "artifact.json").write_text("{}")
        case "wider":
            rounded = np.concatenate([rounded, rounded], axis=1)
        case "disk":
            (out / "model.npz").write_bytes(bytes(8 << 20))
        case "lost":
            old = source.component()
            output = TensorSpec(name="z", dtype="float32", shape=("batch", 3))
            signature = old.signature.model_copy(update={"outputs": (output,)})
            components = {"model": old.model_copy(update={"signature": signature})}
    np.savez(out / "model.npz", w=rounded, scale=scale)
    traits = Traits(quantization="int8-weight")
    return Draft(format="toy", traits=traits, facts=facts, components=components)


@hookimpl
def run(artifact):
    return LinearRunner(artifact)


class LinearRunner:
    def __init__(self, artifact):
        arrays = np.load(artifact.component_file())
        self.signature = artifact.component().signature
        self.weights = arrays["w"].astype(np.float32) * arrays["scale"]

    def __call__(self, inputs, outputs=None):
        return {self.signature.outputs[0].name: inputs["x"] @ self.weights}

    def close(self):
        self.weights = None
