"""The runner: an ONNX Runtime session behind named numpy arrays. Needs neither torch nor onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core_plugin_onnxruntime import session
from core_plugin_onnxruntime.options import RunOptions
from hwcore.contract import Array, Arrays, Artifact, Context, Signature, Target, UserError

SLOW = (
    "this CPU has no int8 dot product (VNNI): int8 is hardly faster than float32 here, and sums "
    "saturate unless the model was quantized for such a CPU"
)


class OnnxRuntimeRunner:
    """A session, which any number of threads may call at once."""

    def __init__(self, made: Any, signature: Signature) -> None:
        self._session = made
        self._signature = signature
        self._names = [spec.name for spec in signature.outputs]

    @property
    def signature(self) -> Signature:
        """Of the component."""
        return self._signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run the session. Inputs are read where they lie; outputs are new arrays.

        Raises `UserError` once the runner is closed.
        """
        made = self._session  # closing meanwhile does not take it away from this call
        if made is None:
            raise UserError("this model is closed", hint="Load it again.")
        names = self._names if outputs is None else list(outputs)
        if not names:  # which the session would take for all of them
            return {}
        feed = inputs if type(inputs) is dict else dict(inputs)
        return dict(zip(names, made.run(names, feed), strict=True))

    def close(self) -> None:
        """Free the model, once no call is in flight any more."""
        self._session = None


def cpu(artifact: Artifact, options: RunOptions, target: Target, ctx: Context) -> OnnxRuntimeRunner:
    """Load a model. Logs a warning where its int8 will disappoint."""
    if (artifact.traits.quantization or "").startswith("int8") and not target.has("vnni"):
        ctx.log(SLOW, "warning")
    made = session.from_file(
        artifact.component_file(),
        configuration(options, ctx.threads),
        options.disabled_optimizers,
    )
    return OnnxRuntimeRunner(made, artifact.component().signature)


def configuration(options: RunOptions, threads: int) -> Any:
    """``SessionOptions``; ``threads`` is the default where the options name none."""
    made = session.options(threads=options.threads or threads, level=options.level)
    made.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.spinning)))
    return made
