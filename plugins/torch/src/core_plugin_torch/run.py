"""The runner: a torch module behind named numpy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from core_plugin_torch.run_options import Bfloat16Options, Float32Options
from hwcore.contract import Array, Arrays, Artifact, Context, Signature, UserError
from hwcore.data import numpy_dtype
from hwcore.transformers import load_module


class TorchRunner:
    """A module in evaluation mode, or what is called like one: tensors in, tensors out, in order.

    Calls share its weights and nothing else.
    """

    def __init__(
        self,
        module: Callable[..., Sequence[torch.Tensor]],
        signature: Signature,
        *,
        dtype: torch.dtype,
        threads: int,
    ) -> None:
        self._module: Callable[..., Sequence[torch.Tensor]] | None = module
        self._signature = signature
        self._dtype = dtype
        self._threads = threads
        self._inputs = tuple(spec.name for spec in signature.inputs)
        self._outputs = {spec.name: i for i, spec in enumerate(signature.outputs)}
        self._dtypes = tuple(
            torch.from_numpy(np.empty(0, numpy_dtype(spec.dtype))).dtype
            for spec in signature.outputs
        )

    @property
    def signature(self) -> Signature:
        """Of the component."""
        return self._signature

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run the module. Inputs are read where they lie; outputs are new arrays.

        Raises `UserError` once the runner is closed.
        """
        module = self._module
        if module is None:
            raise UserError("this model is closed", hint="Load it again.")
        if torch.get_num_threads() != self._threads:  # the setting is the whole process's
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            results = module(*[self._tensor(inputs[name]) for name in self._inputs])
            return {
                name: results[i].to(self._dtypes[i]).numpy()
                for name, i in self._outputs.items()
                if outputs is None or name in outputs
            }

    def close(self) -> None:
        """Free the model, once no call is in flight any more."""
        self._module = None

    def _tensor(self, array: Array) -> torch.Tensor:
        # torch takes no negative strides, and warns of memory that it could not write to.
        tensor = torch.from_numpy(array if array.flags.carray else np.array(array, order="C"))
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


def eager(
    artifact: Artifact, options: Float32Options | Bfloat16Options, ctx: Context
) -> TorchRunner:
    """Load a transformers model with scaled dot-product attention, in the options' precision."""
    ctx.progress(0.0, "loading the model")
    return TorchRunner(
        load_module(artifact, dtype=options.precision),
        artifact.component().signature,
        dtype=getattr(torch, options.precision),
        threads=options.threads or ctx.threads,
    )
