"""The hooks."""

from __future__ import annotations

from pathlib import Path

from hwcore.contract import (
    Array,
    Artifact,
    Cancelled,
    Component,
    Context,
    Dataset,
    Device,
    Draft,
    HardwareUnavailable,
    Options,
    Runner,
    Sensitivity,
    Sparsity,
    Target,
    UserError,
    hookimpl,
)

ROWS = 8


@hookimpl
def devices(ctx: Context) -> list[Device]:
    """The simulated device, which is everywhere."""
    return [Device(id="simulated:0", kind="npu", name="Simulated device", vendor="Acme")]


@hookimpl
def sensitivity(source: Artifact, data: Dataset, ctx: Context) -> Sensitivity:
    """Of encoders that acme-hwcore exports."""
    from acme_reference.measuring import measure

    _stop(ctx)
    return measure(source, data, ctx)


@hookimpl
def export(source: Artifact, capability: str, options: Options, out: Path, ctx: Context) -> Draft:
    """``npz``, as acme-hwcore does it, and ``decoder``."""
    from acme_hwcore import plugin as acme

    if capability == "decoder":
        return _decoder(source, out, ctx)
    if capability != "npz":
        raise _unknown(capability)
    return acme.export(source=source, options=options, out=out, ctx=ctx)


@hookimpl
def quantize(
    source: Artifact,
    capability: str,
    options: Options,
    data: Dataset | None,
    out: Path,
    ctx: Context,
) -> Draft:
    """``int8`` and ``int8-static``."""
    from acme_reference import weights as w

    if capability not in ("int8", "int8-static"):
        raise _unknown(capability)
    weights = w.read(source.component_file())
    ctx.progress(0.1, "rounding")
    made = w.rounded(weights, int(options.get("levels", 127)))
    if capability == "int8-static":
        made |= {f"{name}.range": value for name, value in _ranges(source, data, ctx).items()}
    _stop(ctx)
    w.write(out / w.FILE, made)
    ctx.progress(1.0)
    bits, parameters = w.bits_per_weight(made)
    scheme = "int8-weight" if capability == "int8" else "int8-static"
    return Draft(
        format=source.format,
        traits=source.traits.model_copy(update={"quantization": scheme}),
        components=_component(source),
        facts={
            "bits_per_weight": bits,
            "parameters": parameters,
            "ops_quantized": sum(map(w.linear, made)),
        },
    )


@hookimpl
def sparsify(source: Artifact, capability: str, out: Path, ctx: Context) -> Draft:
    """``two-of-four``."""
    from acme_reference import weights as w

    if capability != "two-of-four":
        raise _unknown(capability)
    _stop(ctx)
    w.write(out / w.FILE, w.pruned(w.read(source.component_file())))
    sparsity = Sparsity(pattern="2:4", share=0.5)
    return Draft(
        format=source.format,
        traits=source.traits.model_copy(update={"sparsity": sparsity}),
        components=_component(source),
    )


@hookimpl
def compile(source: Artifact, capability: str, target: Target, out: Path, ctx: Context) -> Draft:
    """``packed``."""
    from acme_reference import weights as w

    if capability != "packed":
        raise _unknown(capability)
    _stop(ctx)
    w.write(out / w.FILE, w.packed(w.read(source.component_file())))
    traits = {"stage": "compiled", "bound_to": target.fingerprint}
    return Draft(
        format="acme-packed",
        traits=source.traits.model_copy(update=traits),
        components=_component(source),
    )


@hookimpl
def run(artifact: Artifact, capability: str, target: Target) -> Runner:
    """``numpy``, ``float64``, ``unpack``, ``simulated`` and ``decode``."""
    import numpy as np

    from acme_reference.decoder import Decoder
    from acme_reference.engine import Packed, Simulated, Stored

    if artifact.traits.bound_to not in (None, target.fingerprint):
        raise HardwareUnavailable(
            "this was packed for other hardware", hint="Compile it again on this machine."
        )
    file, signature = artifact.component_file(), artifact.component().signature
    match capability:
        case "numpy":
            return Stored(file, signature)
        case "decode":
            return Decoder(file, signature)
        case "float64":
            return Stored(file, signature, np.float64)
        case "unpack":
            return Packed(file, signature)
        case "simulated":
            return Simulated(file, signature)
        case _:
            raise _unknown(capability)


def _decoder(source: Artifact, out: Path, ctx: Context) -> Draft:
    import json

    import numpy as np

    from acme_reference import weights as w
    from hwcore.transformers import read_tensors

    config = json.loads((source.root / "config.json").read_text("utf-8"))
    if config["model_type"] != "gpt2":
        raise UserError(
            f"the decoder is GPT-2's, and this is {config['model_type']}",
            hint="Export it with another plugin.",
        )
    _stop(ctx)
    weights = {name.removeprefix("transformer."): array for name, array in read_tensors(source)}
    weights["heads"] = np.int64(config["n_head"])
    weights["epsilon"] = np.float64(config["layer_norm_epsilon"])
    w.write(out / w.FILE, weights)
    return Draft(format="acme-decoder", components=_component(source))


def _ranges(source: Artifact, data: Dataset | None, ctx: Context) -> dict[str, Array]:
    """The largest input of each linear layer, over some rows of the calibration role."""
    import numpy as np

    from acme_reference.engine import Watched
    from hwcore.data import batches

    if data is None:
        raise UserError("this needs calibration rows", hint="Give --data.")
    signature = source.component().signature
    encoder = Watched(source.component_file(), signature)
    rows = batches(data, "calibration", batch_size=1, limit=ROWS, signature=signature)
    for number, batch in enumerate(rows):
        _stop(ctx)
        encoder(batch.inputs)
        ctx.progress(0.1 + 0.8 * number / ROWS, "looking at rows")
    return {name: np.float32(value) for name, value in encoder.largest.items()}


def _component(source: Artifact) -> dict[str, Component]:
    return {"model": Component(signature=source.component().signature, file="model.npz")}


def _stop(ctx: Context) -> None:
    if ctx.cancelled():
        raise Cancelled("the step was stopped")


def _unknown(capability: str) -> UserError:
    return UserError(
        f"the reference plugin has no capability {capability!r}",
        hint="Name one that its manifest has.",
    )
