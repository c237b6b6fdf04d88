"""The manifest, its schemas and its recipes say what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import core_plugin_torch
from core_plugin_torch import options, plugin
from hwcore.contract import HOOKS
from hwcore.host.manifest_file import read_manifest
from hwcore.pipeline.recipes import read_recipe

PACKAGE = Path(core_plugin_torch.__file__).parent
MANIFEST, SCHEMAS = read_manifest(PACKAGE / "hwcore-plugin.toml")


def test_the_schema_in_the_wheel_is_that_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core_plugin_torch.options"],
        check=True,
        capture_output=True,
        text=True,
    )
    written = (PACKAGE / "options.schema.json").read_text("utf-8")
    regenerate = "python -m core_plugin_torch.options > .../options.schema.json"
    assert written == done.stdout, f"made by another version of the code: {regenerate}"


def test_defaults_pass_the_schema() -> None:
    described = {"sensitivity", *(row.id for row in MANIFEST.capabilities)}
    assert set(SCHEMAS) == set(options.BY_CAPABILITY) == described
    for id, model in options.BY_CAPABILITY.items():
        jsonschema.validate(model().model_dump(mode="json"), SCHEMAS[id])


def test_every_option_is_described() -> None:
    for schema in SCHEMAS.values():
        for name, field in schema["properties"].items():
            assert field.get("description"), name


def test_the_code_has_the_hooks_that_are_claimed() -> None:
    hooks = ("devices", "sensitivity", *HOOKS)
    assert {hook for hook in hooks if hasattr(plugin, hook)} == set(MANIFEST.hooks)


def test_each_format_has_one_reference() -> None:
    formats = {
        row.id: [pattern.format for pattern in row.inputs]
        for row in MANIFEST.capabilities
        if row.reference
    }
    assert formats == {
        "eager": ["transformers"],
        "exported": ["torch-export"],
        "compiled": ["torch-aoti"],
    }
    lossless = {row.id for row in MANIFEST.capabilities if row.lossless}
    assert lossless == {*formats, "export", "aoti"}


def test_importing_the_plugin_imports_no_library() -> None:
    script = (
        "import sys, core_plugin_torch.plugin; "
        "print(*{'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", MANIFEST.recipes)
def test_recipes_name_capabilities_that_are_there(name: str) -> None:
    recipe = read_recipe(PACKAGE / name)
    assert recipe.name == Path(name).stem
    assert recipe.steps[-1].hook == "run"
    for step in recipe.steps:
        assert step.plugin == "torch"
        assert step.capability is not None
        assert MANIFEST.capability(step.capability).hook == step.hook
