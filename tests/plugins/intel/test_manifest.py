"""The manifest, its schemas and its recipes say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

import core_plugin_intel
from core_plugin_intel import options, plugin
from core_plugin_intel.rows import LEAST
from hwcore.contract import HOOKS
from hwcore.host.manifest_file import read_manifest
from hwcore.pipeline.recipes import read_recipe

PACKAGE = Path(core_plugin_intel.__file__).parent
MANIFEST, SCHEMAS = read_manifest(PACKAGE / "hwcore-plugin.toml")


def test_the_schema_in_the_wheel_is_that_of_the_code() -> None:
    written = (PACKAGE / "options.schema.json").read_text("utf-8")
    regenerate = "python -m core_plugin_intel.options > .../options.schema.json"
    assert written == options.as_text(), f"made by another version of the code: {regenerate}"


def test_defaults_pass_the_schema() -> None:
    import jsonschema

    assert set(SCHEMAS) == set(options.BY_CAPABILITY)
    for id, model in options.BY_CAPABILITY.items():
        jsonschema.validate(model().model_dump(mode="json"), SCHEMAS[id])


def test_every_option_is_described() -> None:
    for schema in SCHEMAS.values():
        for name, field in schema["properties"].items():
            assert field.get("description"), name


def test_a_row_that_leaves_layers_alone_says_by_which_option() -> None:
    """But for those that find the layers themselves, and bfloat16, which no plan asks for."""
    without = {row.id for row in MANIFEST.capabilities if row.keeps is None}
    assert without == {"int8-tuned", "onnx-int8-tuned", "bf16"}
    assert {row.keeps for row in MANIFEST.capabilities} == {"float_layers", None}


def test_rows_to_calibrate_with_are_as_many_as_the_code_asks_for() -> None:
    needs = [row.data for row in MANIFEST.capabilities if row.data is not None]
    assert {need.rows for need in needs if need.role == "calibration"} == {LEAST}


def test_the_code_has_the_hooks_that_are_claimed() -> None:
    assert {hook for hook in HOOKS if hasattr(plugin, hook)} == set(MANIFEST.hooks)


@pytest.mark.parametrize("name", MANIFEST.recipes)
def test_recipes_name_capabilities_that_are_there_with_options_that_pass(name: str) -> None:
    recipe = read_recipe(PACKAGE / name)
    assert recipe.name == Path(name).stem
    for step in recipe.steps:
        if step.plugin == "intel":
            assert step.capability is not None
            assert MANIFEST.capability(step.capability).hook == step.hook
            if step.options:
                options.BY_CAPABILITY[step.capability].model_validate(step.options)
