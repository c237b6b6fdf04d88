"""A small plugin that has the hook ``sensitivity``, and says of the data what it was shown."""

from __future__ import annotations

import json
from pathlib import Path

from dummies.making import write_plugin

LAYERS = ("encoder.first", "encoder.second")

CODE = f"""
from hwcore.contract import LayerSensitivity, Sensitivity, hookimpl

@hookimpl
def sensitivity(source, options, data, target, ctx):
    ctx.progress(0.5, "feeling")
    ctx.log(f"roles {{sorted(data.info.rows)}} seed {{ctx.seed}} {{target.kind}} {{source.format}}")
    if options.get("how") == "lie":
        return {{"layers": []}}
    if options.get("how") == "nan":
        return Sensitivity(metric="accuracy", baseline=float("nan"), rows=1, layers=())
    return Sensitivity(
        metric="accuracy",
        baseline=0.75,
        rows=options.get("rows", 4),
        layers=tuple(
            LayerSensitivity(
                name=name, parameters=8, time_share=0.25,
                loss={{"int8": loss}}, error={{"int8": loss / 2}},
            )
            for name, loss in zip({LAYERS!r}, (0.5, 0.0))
        ),
    )
"""
SCHEMA = {
    "sensitivity": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "rows": {"type": "integer", "minimum": 1, "description": "Rows."},
            "how": {"enum": ["well", "lie", "nan"]},
        },
    }
}
MANIFEST = 'sensitivity = true\noptions = "options.json"\n'


def write_feeler(root: Path, name: str = "feeler") -> Path:
    """The plugin in a folder of its own, which is returned."""
    folder = write_plugin(root, name, manifest=MANIFEST, code=CODE)
    (folder / f"hwdummy_{name}" / "options.json").write_text(json.dumps(SCHEMA))
    return folder
