"""The runner: an OpenVINO model behind named numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence

from core_plugin_openvino import compile as blobs
from core_plugin_openvino import engine
from core_plugin_openvino.options import Bfloat16RunOptions, RunOptions
from core_plugin_openvino.requests import Requests, shareable
from core_plugin_openvino.variants import Variants
from hwcore.contract import Array, Arrays, Artifact, Context, Signature, Target, UserError

SATURATES = (
    "this CPU has no int8 dot product (VNNI): int8 is hardly faster than float32 here, and sums "
    "saturate unless the model was quantized for such a CPU"
)


class OpenVinoRunner:
    """A model of open dimensions, and where asked for, models of fixed ones beside it."""

    def __init__(
        self, requests: Requests, signature: Signature, variants: Variants | None = None
    ) -> None:
        self._requests = requests
        self._signature = signature
        self._variants = variants

    @property
    def signature(self) -> Signature:
        """Of the component."""
        return self._signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Compute. Raises `UserError` once the runner is closed."""
        requests = self._requests
        arrays = shareable([inputs[name] for name in requests.inputs])
        if self._variants is not None:
            shapes = tuple([array.shape for array in arrays])
            requests = self._variants.find(shapes) or requests
        return requests.infer(arrays, requests.outputs if outputs is None else outputs)

    def close(self) -> None:
        """Free the model."""
        self._requests.close()
        if self._variants is not None:
            self._variants.close()


def cpu(
    artifact: Artifact, options: RunOptions | Bfloat16RunOptions, target: Target, ctx: Context
) -> OpenVinoRunner:
    """Load an IR or a blob. Logs a warning where its int8 will disappoint.

    Raises `UserError` for variants of a blob, and what `hwcore.contract` says of loading one.
    """
    if (artifact.traits.quantization or "").startswith("int8") and not target.has("vnni"):
        ctx.log(SATURATES, "warning")
    properties = engine.configuration(options, ctx.threads)
    signature = artifact.component().signature
    if artifact.format == blobs.FORMAT:
        if options.variants:
            raise UserError(
                "a blob cannot be compiled again for fixed shapes",
                hint="Leave the option `variants` out, or run the openvino-ir it was made from.",
            )
        compiled, memory = blobs.load(artifact, properties, target)
        return OpenVinoRunner(Requests(compiled, signature, memory), signature)
    file = artifact.component_file()
    requests = Requests(engine.compile_graph(file, properties), signature)
    if not options.variants:
        return OpenVinoRunner(requests, signature)
    variants = Variants(file, properties, signature, options.variants)
    return OpenVinoRunner(requests, signature, variants)
