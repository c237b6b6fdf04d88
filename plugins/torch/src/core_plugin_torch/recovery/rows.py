"""The user's train rows, as transformers' Trainer reads them: in any order, padded per batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from hwcore.contract import Dataset, Signature
from hwcore.data import collate, open_rows

LABELS = "labels"


class TrainRows(TorchDataset[int]):
    """The rows of the role ``train``: an item is its number, and `batch` makes arrays of many."""

    def __init__(self, data: Dataset, signature: Signature) -> None:
        """Raises `UserError` if there are none, or they do not fit the signature."""
        self._rows = open_rows(data, "train")
        self._columns = data.info.columns
        self._signature = signature

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> int:
        return index

    @property
    def labelled(self) -> bool:
        """Whether rows say what the right answer is."""
        return self._rows.labels is not None

    def batch(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """The model's inputs for these rows, padded as it takes them, and ``labels``."""
        columns = {
            name: [column[number] for number in numbers]
            for name, column in self._rows.inputs.items()
        }
        inputs = collate(columns, self._columns, self._signature)
        made = {name: torch.from_numpy(array[: len(numbers)]) for name, array in inputs.items()}
        if self._rows.labels is not None:
            made[LABELS] = torch.from_numpy(self._rows.labels[list(numbers)])
        return made
