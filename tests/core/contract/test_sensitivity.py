"""Sensitivity: what a plugin may not say."""

from __future__ import annotations

import parts
import pytest
from pydantic import ValidationError

from hwcore.contract import LayerSensitivity, Manifest, Sensitivity


def layer(name: str = "dense", **changes: object) -> LayerSensitivity:
    fields = {
        "name": name,
        "parameters": 4,
        "time_share": 0.5,
        "loss": {"int8": 0.1},
        "error": {"int8": 0.2},
    }
    return LayerSensitivity.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error": {}}, "dense: loss and error are not of the same treatments"),
        ({"error": {"int8": -1.0}}, "greater than or equal to 0"),
        ({"loss": {"int7": 0.1}, "error": {"int7": 0.1}}, "Input should be 'int8'"),
        ({"time_share": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_a_layer_cannot_be(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        layer(**changes)


def test_a_layer_is_there_once() -> None:
    with pytest.raises(ValidationError, match="the layer dense is there twice"):
        Sensitivity(metric="cosine", baseline=1, rows=1, layers=(layer(), layer()))


def test_treatments_are_those_of_any_layer_in_the_usual_order() -> None:
    both = {"zeros-90": 0.0, "int8": 0.0}
    found = Sensitivity(
        metric="cosine", baseline=1, rows=1,
        layers=(layer("a"), layer("b", loss=both, error=both)),
    )  # fmt: skip
    assert found.treatments == ("int8", "zeros-90")


def test_a_manifest_says_who_measures_and_what_keeps() -> None:
    fields = {"name": "acme", "vendor": "Acme", "summary": "", "contract": ">=1"}
    rows = (parts.row("int8", keeps="exclude"), parts.row("cpu", "run"))
    made = Manifest.model_validate(
        fields | {"devices": True, "sensitivity": True, "capabilities": rows}
    )
    assert made.hooks == ("devices", "sensitivity", "quantize", "run")
    with pytest.raises(ValidationError, match="a capability cannot be called sensitivity"):
        Manifest.model_validate(
            fields | {"sensitivity": True, "capabilities": (parts.row("sensitivity"),)}
        )
    with pytest.raises(ValidationError, match="cpu: keeps belongs to rows that change weights"):
        parts.row("cpu", "run", keeps="exclude")
