"""Modules with a flat face: named tensors in, a tuple of tensors out. Imports torch.

Exporters read the names and order of inputs from ``forward``; hence one class per set of
inputs, rather than one that takes anything.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class _Flat(nn.Module):  # type: ignore[misc]  # torch is not type-checked here
    def __init__(self, model: nn.Module, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.outputs = outputs

    def _call(self, **inputs: Any) -> tuple[Tensor, ...]:
        result = self.model(**inputs, return_dict=True)
        return tuple(result[name] for name in self.outputs)


class Text(_Flat):
    """Takes ``input_ids`` and ``attention_mask``."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Int64 ``[batch, sequence]`` each."""
        return self._call(input_ids=input_ids, attention_mask=attention_mask)


class SegmentedText(_Flat):
    """Takes ``input_ids``, ``attention_mask`` and ``token_type_ids``."""

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, ...]:
        """Int64 ``[batch, sequence]`` each."""
        return self._call(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )


class Image(_Flat):
    """Takes ``pixel_values``."""

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Floating point ``[batch, channels, height, width]``."""
        return self._call(pixel_values=pixel_values)


BY_INPUTS: dict[tuple[str, ...], type[_Flat]] = {
    ("input_ids", "attention_mask"): Text,
    ("input_ids", "attention_mask", "token_type_ids"): SegmentedText,
    ("pixel_values",): Image,
}
