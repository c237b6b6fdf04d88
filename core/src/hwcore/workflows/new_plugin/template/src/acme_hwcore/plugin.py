"""The hooks."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from hwcore.contract import (
    Artifact,
    Cancelled,
    Component,
    Context,
    Draft,
    Options,
    Runner,
    UserError,
    hookimpl,
)

FILE = "model.npz"

TAKEN = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "is_decoder": False,
    "position_embedding_type": "absolute",
}
"""What the engine is written for, by key of ``config.json``; as BERT has it when left out."""


@hookimpl
def export(source: Artifact, options: Options, out: Path, ctx: Context) -> Draft:
    """``npz``: write the weights in float32, and the two settings that they do not tell."""
    import numpy as np
    from hwcore.transformers import read_tensors

    from acme_hwcore.engine import shapes

    config = json.loads((source.root / "config.json").read_text("utf-8"))
    _refuse_others(config)
    missing = shapes(config)
    count = len(missing)
    compression = zipfile.ZIP_DEFLATED if options.get("compressed") else zipfile.ZIP_STORED
    with zipfile.ZipFile(out / FILE, "w", compression) as archive:
        for saved_as, tensor in read_tensors(source):
            if ctx.cancelled():
                raise Cancelled("the export was stopped")
            # A model that was saved with a head has the name of its body before its weights'.
            name = saved_as.removeprefix("bert.")
            if tensor.shape == missing.get(name):
                _write(archive, name, tensor.astype(np.float32))
                del missing[name]
                ctx.progress(1 - len(missing) / count, "writing the weights")
        _write(archive, "heads", np.int64(config["num_attention_heads"]))
        _write(archive, "epsilon", np.float64(config["layer_norm_eps"]))
    if missing:
        raise UserError(
            f"{source.root} has no {next(iter(missing))} of the shape that config.json asks for",
            hint="Check that config.json and the weights belong together.",
        )
    component = Component(signature=source.component().signature, file=FILE)
    return Draft(format="acme-npz", components={"model": component})


@hookimpl
def run(artifact: Artifact) -> Runner:
    """``numpy``: load an encoder."""
    from acme_hwcore.engine import Encoder

    return Encoder(artifact.component_file(), artifact.component().signature)


def _refuse_others(config: dict[str, Any]) -> None:
    for key, value in TAKEN.items():
        found = config.get(key, value)
        if found != value:
            raise UserError(
                f"acme takes models whose {key} is {value!r}, and this one's is {found!r}",
                hint="Export it with another plugin.",
            )


def _write(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    """Add an array, as `numpy.savez` would, but one at a time; equal arrays give equal bytes."""
    import numpy as np

    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
