"""The manifest, its schemas and its recipes say what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from onnxruntime_steps import MANIFEST, PACKAGE, SCHEMAS

from core_plugin_onnxruntime import options, plugin
from hwcore.contract import HOOKS
from hwcore.pipeline.recipes import read_recipe


def test_the_schema_in_the_wheel_is_that_of_the_code() -> None:
    written = (PACKAGE / "options.schema.json").read_text("utf-8")
    regenerate = "python -m core_plugin_onnxruntime.options > .../options.schema.json"
    assert written == options.as_text(), f"made by another version of the code: {regenerate}"


def test_the_schema_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core_plugin_onnxruntime.options"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == options.as_text()


def test_defaults_pass_the_schema() -> None:
    assert set(SCHEMAS) == set(options.BY_CAPABILITY) == {row.id for row in MANIFEST.capabilities}
    for id, model in options.BY_CAPABILITY.items():
        jsonschema.validate(model().model_dump(mode="json"), SCHEMAS[id])


def test_every_option_is_described() -> None:
    for schema in SCHEMAS.values():
        for name, field in schema["properties"].items():
            assert field.get("description"), name


def test_the_code_has_the_hooks_that_are_claimed() -> None:
    assert {hook for hook in HOOKS if hasattr(plugin, hook)} == set(MANIFEST.hooks)


def test_importing_the_plugin_imports_no_library() -> None:
    script = (
        "import sys, core_plugin_onnxruntime.plugin; "
        "print(*{'onnxruntime', 'onnx', 'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", MANIFEST.recipes)
def test_recipes_name_capabilities_that_are_there_with_options_that_pass(name: str) -> None:
    recipe = read_recipe(PACKAGE / name)
    assert recipe.name == Path(name).stem
    for step in recipe.steps:
        assert step.plugin == "onnxruntime"
        assert step.capability is not None
        assert MANIFEST.capability(step.capability).hook == step.hook
        options.BY_CAPABILITY[step.capability].model_validate(step.options)
