from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dummies.making import write_plugin

from hwcore.contract import PluginError, UserError
from hwcore.host import PluginRecord, allowed_by_environment, discover, missing_requirements
from hwcore.host.discovery import discover_one, locate
from hwcore.host.hints import mend

ROW = """
[[capabilities]]
id = "int8"
hook = "quantize"
inputs = [{ format = "onnx" }]
output = { format = "onnx" }
lossless = false
"""


@pytest.fixture
def found(tmp_path: Path, install: Callable[..., None]) -> Callable[..., PluginRecord]:
    """``found(manifest, **arguments)``: the record of a plugin ``acme`` with that manifest."""

    def make(manifest: str | None, **arguments: str) -> PluginRecord:
        install(write_plugin(tmp_path, "acme", manifest=manifest, **arguments))
        return discover(allow=("acme",)).record("acme")

    return make


def test_a_plugin_is_found_with_everything_it_declares_and_not_imported(
    install: Callable[..., None],
) -> None:
    install("numpy_engine")
    sys.modules.pop("hwdummy_numpy", None)  # other tests load it
    record = discover(allow=("numpy",)).record("numpy")
    assert (record.name, record.distribution, record.version) == ("numpy", "hwdummy-numpy", "1.2.0")
    assert (record.state, record.reason, record.usable) == ("found", "", True)
    assert record.hooks == ("devices", "export", "quantize", "run")
    assert [row.id for row in record.capabilities] == ["linear", "int8", "numpy"]
    assert record.folder is not None
    assert record.folder.name == "hwdummy_numpy"
    assert record.schemas["linear"]["properties"]["rows"] == {"type": "integer", "minimum": 1}
    assert record.manifest is not None
    assert record.manifest.recipes == ("recipe.yaml",)
    assert list(record.library_versions()) == ["numpy"]
    assert "hwdummy_numpy" not in sys.modules


def test_a_plugin_that_raises_at_import_is_found_all_the_same(
    found: Callable[..., PluginRecord],
) -> None:
    record = found(ROW, code="raise RuntimeError('no')")
    assert record.state == "found"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("vendro = 'v'", "unknown key 'vendro', did you mean 'vendor'?"),
        (ROW.replace("hook", "hok"), "unknown key 'capabilities[0].hok', did you mean 'hook'?"),
        (
            ROW.replace('{ format = "onnx" }]', '{ fromat = "onnx" }]'),
            "unknown key 'capabilities[0].inputs[0].fromat', did you mean 'format'?",
        ),
        (ROW.replace('id = "int8"\n', ""), "key 'capabilities[0].id' is missing"),
        (ROW.replace("quantize", "quantise"), "'quantise'"),
        (ROW.replace("quantize", "quantise"), "did you mean 'quantize'?"),
        (ROW + ROW, "capability int8 is declared twice"),
        ("devices = 'maybe'", "key 'devices' is 'maybe'"),
        ("name = [", "hwcore-plugin.toml"),
        ("name = 'acme'\nvendor = 'v'\ncontract = '>=1'", "key 'summary' is missing"),
        (
            "name = 'acme'\nvendor = 'v'\nsummary = 's'\ncontract = 'one'",
            "key 'contract' is 'one', expected a range such as '>=1,<2'",
        ),
        ("options = 'nowhere.json'", "it names the file 'nowhere.json'"),
        ("recipes = ['nowhere.yaml']", "it names the file 'nowhere.yaml'"),
        (None, "no hwcore-plugin.toml in package 'hwdummy_acme'"),
    ],
)
def test_a_bad_manifest_is_explained(
    found: Callable[..., PluginRecord], manifest: str | None, reason: str
) -> None:
    record = found(manifest)
    assert record.state == "broken"
    assert reason in record.reason
    assert "hwcore-plugin.toml" in record.reason
    assert record.reason.endswith("To do without acme: --no-plugins.")


@pytest.mark.parametrize(
    ("schemas", "reason"),
    [
        ('{"int9": {}}', "key 'int9' is no capability, did you mean 'int8'?"),
        ('{"int8": 3}', "key 'int8' is no JSON Schema object"),
        ("[]", "expected an object"),
        ("{", "options.json"),
    ],
)
def test_a_bad_options_file_is_explained(
    tmp_path: Path, install: Callable[..., None], schemas: str, reason: str
) -> None:
    folder = write_plugin(tmp_path, "acme", manifest="options = 'options.json'\n" + ROW)
    (folder / "hwdummy_acme/options.json").write_text(schemas)
    install(folder)
    record = discover(allow=("acme",)).record("acme")
    assert record.state == "broken"
    assert reason in record.reason


def test_layers_are_kept_by_an_option_that_is_there(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    manifest = "options = 'options.json'\n" + ROW + "keeps = 'exlude'\n"
    folder = write_plugin(tmp_path, "acme", manifest=manifest)
    options = '{"int8": {"properties": {"exclude": {"type": "array"}}}}'
    (folder / "hwdummy_acme/options.json").write_text(options)
    install(folder)
    record = discover(allow=("acme",)).record("acme")
    assert record.state == "broken"
    reason = (
        "capability int8 has keeps = 'exlude', which is no option of it, did you mean 'exclude'?"
    )
    assert reason in record.reason


def test_a_plugin_for_another_contract_is_incompatible_even_with_keys_of_that_contract(
    found: Callable[..., PluginRecord],
) -> None:
    manifest = "name = 'acme'\ncontract = '>=2,<3'\nfuture = true"
    record = found(manifest)
    assert record.state == "incompatible"
    assert record.reason.startswith("it was made for contract >=2,<3, this core has contract 1.")


def test_a_plugin_cannot_go_by_anothers_name(found: Callable[..., PluginRecord]) -> None:
    record = found("name = 'torch'\nvendor = 'v'\nsummary = 's'\ncontract = '>=1'")
    assert record.state == "broken"
    assert "called 'acme' and its manifest 'torch'" in record.reason


def test_the_off_switch_names_the_other_plugins(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    install("numpy_engine", "tracer", write_plugin(tmp_path, "acme"))
    record = discover(allow=("acme", "numpy", "tracer")).record("acme")
    assert record.reason.endswith("To do without acme: HWCORE_PLUGINS=numpy,tracer.")


def test_two_distributions_with_one_name_are_refused_by_name_and_version(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    first = write_plugin(tmp_path, "acme", manifest=ROW)
    second = write_plugin(tmp_path, "acme", manifest=ROW, distribution="other-acme", version="2.5")
    install(first, second)
    with pytest.raises(UserError, match=r"hwdummy-acme 1\.0 and other-acme 2\.5 both") as error:
        discover(allow=("acme",))
    assert "pip uninstall hwdummy-acme" in (error.value.hint or "")
    assert {r.state for r in discover(enabled=False).records} == {"blocked"}


def test_the_allow_list_blocks_the_others_unread(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    install("numpy_engine", write_plugin(tmp_path, "acme", manifest="broken = "))
    discovery = discover(allow=("numpy",))
    assert [record.name for record in discovery.usable] == ["numpy"]
    blocked = discovery.record("acme")
    assert blocked.state == "blocked"
    assert blocked.reason == "HWCORE_PLUGINS does not name it: add it there to use it."


def test_the_allow_list_must_name_what_is_there(install: Callable[..., None]) -> None:
    install("numpy_engine")
    with pytest.raises(UserError, match="names 'nunpy', and there is no such plugin, did you mean"):
        discover(allow=("nunpy",))


def test_no_plugins_blocks_all(install: Callable[..., None]) -> None:
    install("numpy_engine")
    record = discover(enabled=False).record("numpy")
    assert record.state == "blocked"
    assert "--no-plugins" in record.reason


def test_the_allow_list_comes_from_the_environment() -> None:
    assert allowed_by_environment({}) is None
    for value in ("", "  ", ", ,"):
        with pytest.raises(UserError, match="HWCORE_PLUGINS is set and names no plugin") as caught:
            allowed_by_environment({"HWCORE_PLUGINS": value})
        assert "--no-plugins" in (caught.value.hint or "")
    assert allowed_by_environment({"HWCORE_PLUGINS": "torch, openvino,"}) == ("torch", "openvino")


def test_an_unknown_plugin_has_a_nearest_name(install: Callable[..., None]) -> None:
    install("numpy_engine")
    with pytest.raises(UserError, match="no plugin 'nunpy', did you mean 'numpy'"):
        discover().record("nunpy")


def test_an_unknown_capability_lists_what_there_is(install: Callable[..., None]) -> None:
    install("numpy_engine")
    record = discover(allow=("numpy",)).record("numpy")
    with pytest.raises(UserError, match="no quantize capability 'int9', did you mean 'int8'") as e:
        record.capability("int9", "quantize")
    assert e.value.hint == "It has for quantize: int8."
    with pytest.raises(UserError, match="no run capability 'int8'; 'int8' is of quantize"):
        record.capability("int8", "run")


def test_the_manifest_is_found_from_the_module_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    near = tmp_path / "hwdummyspace/vendor/inner"
    near.mkdir(parents=True)
    for folder in (near, near.parent):
        (folder / "hwcore-plugin.toml").touch()
    assert locate("hwdummyspace.vendor.inner.plugin:object") == near
    assert locate("hwdummyspace.vendor.plugin") == near.parent
    assert locate("hwdummyspace.plugin") is None
    assert locate("hwdummynowhere.plugin") is None
    assert "hwdummyspace" not in sys.modules


def test_an_editable_install_is_found(found: Callable[..., PluginRecord], tmp_path: Path) -> None:
    """Its dist-info is in site-packages, its code where a ``.pth`` file or a finder says."""
    code = write_plugin(tmp_path / "code", "acme", manifest=ROW)
    sys.path.append(str(code))
    try:
        package = write_plugin(tmp_path / "site", "other", entry_point="hwdummy_acme.plugin")
        (package / "hwdummy_other/plugin.py").unlink()
        assert locate("hwdummy_acme.plugin") == code / "hwdummy_acme"
    finally:
        sys.path.remove(str(code))


def test_requirements_that_are_missing(install: Callable[..., None]) -> None:
    install("numpy_engine")
    record = discover(allow=("numpy",)).record("numpy")
    assert missing_requirements(record, None) == []
    assert missing_requirements(record, "build") == []
    assert missing_requirements(record, "gone") == ["no-such-distribution>=3"]
    with pytest.raises(PluginError, match=r"the extra 'biuld', .* did you mean 'build'"):
        missing_requirements(record, "biuld")
    gone = dataclasses.replace(record, distribution="hwdummy-gone")
    with pytest.raises(PluginError, match="its distribution hwdummy-gone is not installed here"):
        missing_requirements(gone, "build")
    row = record.capability("linear")
    assert mend(gone, row, [record]) == "To do without numpy: --no-plugins."


def test_extras_of_requirements_are_followed(tmp_path: Path, install: Callable[..., None]) -> None:
    inner = write_plugin(
        tmp_path,
        "inner",
        metadata="Provides-Extra: all\nRequires-Dist: no-such-one>=2 ; extra == 'all'\n"
        "Requires-Dist: numpy<1 ; extra == 'all'\n"
        "Requires-Dist: hwdummy-inner[all] ; extra == 'all'\n",
    )
    outer = write_plugin(
        tmp_path,
        "outer",
        manifest=ROW,
        metadata="Provides-Extra: build\nRequires-Dist: hwdummy-inner[all] ; extra == 'build'\n"
        "Requires-Dist: never ; extra == 'build' and python_version < '3'\n",
    )
    install(inner, outer)
    record = discover(allow=("outer",)).record("outer")
    assert missing_requirements(record, "build") == ["no-such-one>=2", "numpy<1"]


def test_a_worker_says_which_interpreter_lacks_the_plugin() -> None:
    with pytest.raises(PluginError, match=f"not installed for the interpreter {sys.executable}"):
        discover_one("acme")


def test_two_hundred_plugins_are_listed_quickly_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(200):
        folder = write_plugin(tmp_path, f"many{i}", manifest=ROW)
        for entry in folder.iterdir():
            entry.rename(tmp_path / entry.name)
    monkeypatch.syspath_prepend(str(tmp_path))
    start = time.process_time()
    records = discover().records
    seconds = time.process_time() - start
    assert sum(record.name.startswith("many") and record.usable for record in records) == 200
    assert not [name for name in sys.modules if name.startswith("hwdummy_many")]
    assert seconds < 0.5
