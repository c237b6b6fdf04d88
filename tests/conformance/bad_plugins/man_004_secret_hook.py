"""Its pruning is not in its manifest: it was an experiment."""

from __future__ import annotations

from acme_reference.plugin import (  # noqa: F401 - hooks
    compile,
    devices,
    export,
    quantize,
    run,
    sensitivity,
    sparsify,
)

KILLS = "MAN-004"
SAYS = "it implements sparsify and does not declare it"
PATCHES = {
    "hwcore-plugin.toml": [
        """
[[capabilities]]
id = "two-of-four"
hook = "sparsify"
summary = "Two of four neighbours in each row of a weight become zero: the smaller ones."
inputs = [{ format = "acme-npz", quantization = ["none"] }]
output = { format = "acme-npz" }
lossless = false
""",
        "",
    ]
}
