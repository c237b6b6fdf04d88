"""What a loaded result takes for inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from parts import text_signature

from hwcore.contract import Arrays, PlannedStep, UserError
from hwcore.host import LoadedModel
from hwcore.workflows.load import Model


class Handle:
    """Gives the sums of its inputs."""

    signature = text_signature()
    load_seconds = 0.0

    def __call__(self, inputs: Arrays, outputs: object = None) -> dict[str, Any]:
        assert all(array.dtype == np.int64 for array in inputs.values())
        return {"logits": np.array([[inputs["input_ids"].sum(), inputs["attention_mask"].sum()]])}

    def close(self) -> None:
        pass


@pytest.fixture
def model() -> Model:
    step = PlannedStep(hook="run", plugin="acme", capability="cpu")
    return Model(LoadedModel(Handle()), Handle(), step)  # type: ignore[arg-type]


ONES = np.ones((1, 3), np.int64)


@pytest.mark.parametrize(
    "ids",
    [
        np.array([[1, 2, 3]]),
        np.array([[1, 2, 3]], np.int32),
        [[1, 2, 3]],
        torch.tensor([[1, 2, 3]]),
        torch.tensor([[1, 2, 3]], dtype=torch.int16),
    ],
    ids=["int64", "int32", "list", "tensor", "tensor-int16"],
)
def test_inputs_that_are_like_arrays(model: Model, ids: object) -> None:
    for _ in range(2):
        assert model({"input_ids": ids, "attention_mask": ONES})["logits"].tolist() == [[6, 3]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "inputs are of type NoneType, expected names with arrays"),
        ([1], "inputs are of type list, expected names with arrays"),
        ({"input_ids": [[1], [2, 3]], "attention_mask": ONES}, "has rows of different lengths"),
        ({"input_ids": ONES.astype(float), "attention_mask": ONES}, "dtype float64, expected"),
        ({"input_ids": torch.ones(1, 3).bfloat16(), "attention_mask": ONES}, "dtype float32"),
        ({"input_ids": torch.ones(1, 3, requires_grad=True), "attention_mask": ONES}, "float32"),
        ({"input_ids": ["a"], "attention_mask": ONES}, "input 'input_ids' has dtype"),
        ({"input_ids": ONES}, "input 'attention_mask' is missing"),
    ],
)
def test_inputs_that_do_not_do(model: Model, inputs: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        model(inputs)
    assert caught.value.hint
