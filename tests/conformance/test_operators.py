"""The operator profile, on the real plugins and on one that misbehaves in every way."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
import typer
from onnx import TensorProto, helper
from onnx.backend.test.case.test_case import TestCase as OnnxTest
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner as OnnxRunner
from typer.testing import CliRunner

from core_plugin_openvino import engine as openvino_engine
from core_plugin_openvino.options import RunOptions as OpenVinoOptions
from hwcore.contract import Array, PluginError, UserError
from hwcore.host import discover
from hwcore_conformance.operators import asking, compare, direct, running
from hwcore_conformance.operators.asking import profile_of
from hwcore_conformance.operators.cases import (
    STANDARD,
    Case,
    LeftOut,
    Subject,
    case_of,
    collect,
    model_of,
)
from hwcore_conformance.operators.child import Job
from hwcore_conformance.operators.command import operators
from hwcore_conformance.operators.folder import read, store
from hwcore_conformance.operators.profile import CaseResult, Profile, Result, State, differing

RUN = "run cpu"
FUSED = "compile fused → run cpu"

METADATA = "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\nProvides-Extra: build\n"
MANIFEST = """\
name = "acme"
vendor = "Acme"
summary = "ONNX's reference evaluator, with faults."
contract = ">=1,<2"

[environment]
ACME_OFFSET = "1"

"""
RUN_ROW = """\
[[capabilities]]
id = "cpu"
hook = "run"
inputs = [{ format = "onnx", op_domains = [] }]
lossless = true

"""
COMPILE_ROW = """\
[[capabilities]]
id = "acme"
hook = "compile"
inputs = [{ format = "onnx" }]
output = { format = "acme" }
lossless = true

"""
PLUGIN = """\
import ctypes, os, shutil, sys, time

from onnx.reference import ReferenceEvaluator

from hwcore.contract import Draft, UserError, hookimpl


class Runner:
    def __init__(self, artifact):
        self.signature = artifact.component().signature
        self._model = ReferenceEvaluator(str(artifact.component_file()))
        self._operator = self._model.proto_.graph.node[0].op_type

    def __call__(self, inputs, outputs=None):
        if self._operator == "Abs":
            os.write(2, b"the kernel is upside down\\n")
            ctypes.string_at(0)
        if self._operator == "Add":
            print("chatter")
        if self._operator == "Ceil":
            os.kill(os.getpid(), 9)
        if self._operator == "Neg":
            time.sleep(1000)
        if self._operator == "Cos":
            raise ArithmeticError("no cosine today")
        names = [spec.name for spec in self.signature.outputs]
        found = dict(zip(names, self._model.run(None, dict(inputs))))
        if self._operator == "Sub":
            return {name: array + int(os.environ["ACME_OFFSET"]) for name, array in found.items()}
        return found

    def close(self):
        pass


@hookimpl
def run(artifact):
    runner = Runner(artifact)
    if runner._operator == "Sin":
        raise UserError(f"no sine in {artifact.component_file()}")
    if runner._operator == "Mul":
        sys.exit(3)
    return runner


@hookimpl
def compile(source, out):
    shutil.copy(source.component_file(), out)
    return Draft(format="acme", traits=source.traits)
"""

Install = Callable[..., None]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a plugin for this process and those that it starts."""

    def install(*rows: str, source: str = PLUGIN) -> None:
        package, info = tmp_path / "acme_onnx", tmp_path / "acme-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(source)
        (package / "hwcore-plugin.toml").write_text(MANIFEST + "".join(rows))
        (info / "METADATA").write_text(METADATA)
        (info / "entry_points.txt").write_text("[hwcore.plugins]\nacme = acme_onnx.plugin\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("HWCORE_PLUGINS", "acme")

    return install


def states(profile: Profile, chain: str) -> dict[str, State]:
    return {case.name: case.results[chain].state for case in profile.cases}


def reason(profile: Profile, case: str) -> str:
    [found] = [case_ for case_ in profile.cases if case_.name == case]
    [result] = found.results.values()
    return result.reason


class TestTheEngineDirectly:
    def test_onnxruntime_passes_what_it_passes_through_us(self) -> None:
        only = "test_(softmax|gemm|resize_upsample|cast_FLOAT|quantizelinear|reduce_max|scan|if)"
        profile = profile_of("onnxruntime", only=only, compare=True)
        assert [chain.name for chain in profile.chains] == [RUN, FUSED]
        assert [chain.differs for chain in profile.chains] == [(), ()]
        assert profile.chains[0].totals[State.PASSED] > 60
        assert profile.chains[0].totals[State.UNSUPPORTED] > 0
        assert profile.versions["onnx"] == onnx.__version__
        assert profile.versions["onnxruntime"]

    @pytest.mark.slow
    def test_onnxruntime_on_every_case(self) -> None:
        profile = profile_of("onnxruntime", compare=True)
        assert len(profile.cases) > 1500
        assert profile.chains[0].differs == ()
        assert profile.chains[0].totals[State.PASSED] > 1200

    def test_openvino_is_asked_through_its_export(self) -> None:
        profile = profile_of("openvino", only="test_(abs|relu|matmul_2d)$")
        assert [chain.name for chain in profile.chains] == ["export ir-from-onnx → run cpu"]
        assert profile.chains[0].plugin_steps == ("openvino/ir-from-onnx", "openvino/cpu")
        assert set(states(profile, profile.chains[0].name).values()) == {State.PASSED}
        assert profile.engine is None
        assert profile.chains[0].differs is None

    def test_a_difference_is_named(self) -> None:
        def case(name: str, through: State, directly: State | None) -> CaseResult:
            return CaseResult(
                name=name,
                domain=STANDARD,
                operator="Abs",
                opset=1,
                results={RUN: Result(state=through)},
                direct=None if directly is None else Result(state=directly),
            )

        cases = [
            case("both", State.PASSED, State.PASSED),
            case("ours", State.PASSED, State.FAILED),
            case("theirs", State.CRASHED, State.PASSED),
            case("neither", State.UNSUPPORTED, State.RAISED),
        ]
        assert differing(cases, RUN) == ("ours", "theirs")
        assert differing([case("alone", State.PASSED, None)], RUN) is None

    def test_it_is_configured_as_the_plugin_configures_it(self) -> None:
        options = discover().record("onnxruntime").schemas["cpu"]["properties"]
        assert tuple(options["disabled_optimizers"]["default"]) == direct.ORT_DISABLED_OPTIMIZERS
        assert f"ORT_ENABLE_{options['level']['default'].upper()}" == direct.ORT_LEVEL
        assert openvino_engine.configuration(OpenVinoOptions(), 2) == {
            **direct.OPENVINO_PROPERTIES,
            "INFERENCE_NUM_THREADS": 2,
        }

    def test_a_plugin_whose_engine_is_not_known(self, acme: Install) -> None:
        acme(RUN_ROW)
        with pytest.raises(UserError, match="acme has no engine that can be asked directly") as e:
            profile_of("acme", compare=True)
        assert e.value.hint
        assert "onnxruntime" in e.value.hint


class TestAPluginThatMisbehaves:
    def test_every_way_for_a_case_to_end(self, acme: Install) -> None:
        acme(RUN_ROW)
        names = (
            "abs|add|ceil_example|cos_example|mul_example|neg_example|sign|sin_example|sub_example"
        )
        only = f"test_({names}|identity_sequence|ai_onnx_ml_binarizer)$"
        seen: list[tuple[float, str]] = []
        profile = profile_of(
            "acme", only=only, seconds=2, progress=lambda share, name: seen.append((share, name))
        )
        assert states(profile, RUN) == {
            "test_abs": State.CRASHED,
            "test_add": State.PASSED,
            "test_ai_onnx_ml_binarizer": State.UNSUPPORTED,
            "test_ceil_example": State.CRASHED,
            "test_cos_example": State.RAISED,
            "test_identity_sequence": State.NOT_EXPRESSIBLE,
            "test_mul_example": State.UNSUPPORTED,
            "test_neg_example": State.TIMED_OUT,
            "test_sign": State.PASSED,
            "test_sin_example": State.UNSUPPORTED,
            "test_sub_example": State.FAILED,
        }
        says = {case.name: reason(profile, case.name) for case in profile.cases}
        assert says == {
            "test_abs": "the process ended with SIGSEGV: the kernel is upside down",
            "test_add": "",
            "test_ai_onnx_ml_binarizer": (
                "by its manifest, acme/cpu does not know the operator domain ai.onnx.ml"
            ),
            "test_ceil_example": "the process ended with SIGKILL: it said nothing",
            "test_cos_example": "ArithmeticError: no cosine today",
            "test_identity_sequence": "sequence values",
            "test_mul_example": "SystemExit: 3",
            "test_neg_example": "it took longer than 2 s",
            "test_sign": "",
            "test_sin_example": "no sine in model.onnx",
            "test_sub_example": "z: 3 of 3 numbers differ, by up to 1",
        }
        assert profile.chains[0].totals[State.PASSED] == 2
        assert [share for share, _ in seen] == sorted(share for share, _ in seen)
        assert seen[-1] == (1.0, "test_sub_example")

    def test_one_that_ends_its_process_on_every_case(
        self, acme: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acme(RUN_ROW, source="import os\nos.kill(os.getpid(), 9)\n")
        monkeypatch.setattr(running, "MAX_ENDS", 2)
        with pytest.raises(PluginError, match="2 cases in a row ended the process") as e:
            profile_of("acme", only="test_add")
        assert "test_add_bcast: the process ended with SIGKILL: it said nothing" in str(e.value)
        assert e.value.hint == "Try a single case: --only with its name."

    def test_a_mistake_of_the_suite_is_no_result(self, acme: Install, tmp_path: Path) -> None:
        acme(RUN_ROW)
        job = Job(
            cases=tmp_path,
            chains=((("acme", "cpu"),),),
            engine=None,
            units=(("test_nowhere", 0),),
            seconds=5,
        )
        work = tmp_path / "work"
        work.mkdir()
        with pytest.raises(RuntimeError, match=r"FileNotFoundError.*test_nowhere"):
            list(running.results(job, work, "acme", dict(asking.os.environ)))


class TestChains:
    def test_a_compile_row_is_followed_to_a_runner(self, acme: Install) -> None:
        taken = RUN_ROW.replace('format = "onnx", op_domains = []', 'format = "acme"')
        acme(COMPILE_ROW, taken)
        profile = profile_of("acme", only="test_add$")
        assert states(profile, "compile acme → run cpu") == {"test_add": State.PASSED}

    def test_a_step_that_nobody_can_run(self, acme: Install) -> None:
        acme(COMPILE_ROW)
        with pytest.raises(UserError, match="nothing installed runs what acme makes"):
            profile_of("acme")

    def test_an_extra_that_is_missing(self, acme: Install) -> None:
        acme(RUN_ROW + 'extra = "build"\n')
        info = Path(sys.path[0]) / "acme-1.0.dist-info" / "METADATA"
        info.write_text(METADATA + 'Requires-Dist: no-such-thing; extra == "build"\n')
        with pytest.raises(UserError, match="cpu needs no-such-thing, which is not installed"):
            profile_of("acme")

    def test_a_plugin_that_takes_no_onnx(self) -> None:
        with pytest.raises(UserError, match="plugin torch takes no ONNX") as e:
            profile_of("torch")
        assert e.value.hint == "Of the installed plugins these do: onnxruntime, openvino."

    def test_a_plugin_that_is_not_there(self) -> None:
        with pytest.raises(UserError, match="there is no plugin 'openvin', did you mean"):
            profile_of("openvin")

    def test_a_plugin_that_is_broken(self, acme: Install) -> None:
        acme("nonsense = 1\n")
        with pytest.raises(UserError, match="plugin acme is broken: "):
            profile_of("acme")


class TestCases:
    def test_names_domains_and_operators(self) -> None:
        found = collect("test_(gelu_default_1_expanded|adam|identity_opt)$")
        assert [(c.subject.domain, c.subject.operator) for c in found] == [
            ("ai.onnx.preview.training", "Adam"),
            (STANDARD, "Gelu"),
            (STANDARD, "Identity"),
        ]
        assert isinstance(found[0], Case)
        assert found[0].op_domains == ("ai.onnx.preview.training",)
        assert isinstance(found[1], Case)
        assert found[1].op_domains == ()
        assert found[2] == LeftOut(found[2].subject, "optional values")

    def test_a_domain_counts_where_it_is_used(self) -> None:
        made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        given = helper.make_tensor_value_info("x", TensorProto.BOOL, [])
        inner = helper.make_graph(
            [helper.make_node("Binarizer", ["z"], ["y"], domain="ai.onnx.ml")], "inner", [], [made]
        )
        node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
        imports = [helper.make_opsetid(name, 1) for name in ("", "ai.onnx.ml", "ai.onnx.preview")]
        graph = helper.make_graph([node], "outer", [given], [made])
        model = helper.make_model(graph, opset_imports=imports)
        sets = [([np.True_], [np.ones(1, np.float32)])]
        test = OnnxTest("test_x", "x", None, None, model, sets, "node", 1e-3, 1e-7)
        found = case_of(test, model, Subject("test_x", STANDARD, "If", 1))
        assert isinstance(found, Case)
        assert found.op_domains == ("ai.onnx.ml",)

    def test_what_the_contract_has_no_word_for_is_little(self) -> None:
        found = collect()
        limits = [case.limit for case in found if isinstance(case, LeftOut)]
        assert set(limits) == {"strings", "sequence values", "optional values"}
        assert len(limits) < 0.05 * len(found)

    def test_cases_that_are_files(self) -> None:
        tests = [t for t in load_model_tests(kind="simple") if "expand_shape" in t.name]
        for test in tests:
            case = case_of(test, model_of(test), Subject(test.name, STANDARD, "Expand", 1))
            assert isinstance(case, Case)
            assert case.calls
            for call in case.calls:
                assert list(call.inputs) == [spec.name for spec in case.signature.inputs]
                case.signature.bind(call.inputs)
        assert tests

    @pytest.mark.parametrize(
        ("value", "given", "limit"),
        [
            (helper.make_tensor_value_info("x", TensorProto.FLOAT, None), [[1.0]], "any rank"),
            (helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]), [[]], "of size 0"),
            (helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]), [], "may be left out"),
            (helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]), [None], "may be left out"),
            (helper.make_tensor_value_info("x", TensorProto.STRING, [1]), [["a"]], "strings"),
        ],
    )
    def test_limits(self, value: onnx.ValueInfoProto, given: list[Array], limit: str) -> None:
        node = helper.make_node("Identity", ["x"], ["y"])
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        model = helper.make_model(helper.make_graph([node], "g", [value], [output]))
        sets = [(given, [np.ones(1, np.float32)])]
        test = OnnxTest("test_x", "x", None, None, model, sets, "node", 1e-3, 1e-7)
        found = case_of(test, model, Subject("test_x", STANDARD, "Identity", 1))
        assert isinstance(found, LeftOut)
        assert limit in found.limit

    def test_what_is_stored_is_read_back(self, tmp_path: Path) -> None:
        cases = [c for c in collect("INT4|BFLOAT16|add|reduce_max|nonzero") if isinstance(c, Case)]
        kinds = {a.dtype.name for c in cases for call in c.calls for a in call.inputs.values()}
        assert {"int4", "bfloat16", "float32", "bool"} <= kinds
        sizes = {a.size for c in cases for call in c.calls for a in call.inputs.values()}
        assert 0 in sizes
        for case in cases:
            store(case, tmp_path)
            found = read(case.subject.name, tmp_path)
            assert found.artifact.component().signature == case.signature
            assert (found.rtol, found.atol) == (case.rtol, case.atol)
            for left, right in zip(case.calls, found.calls, strict=True):
                for ours, theirs in zip(left, right, strict=True):
                    assert list(ours) == list(theirs)
                    for name, array in ours.items():
                        assert theirs[name].dtype == array.dtype
                        assert theirs[name].shape == array.shape
                        assert theirs[name].tobytes() == array.tobytes()
                        assert theirs[name].flags.carray

    def test_an_expression_that_is_none(self) -> None:
        with pytest.raises(UserError, match=r"'\(' is not a regular expression: missing \)"):
            collect("(")

    def test_an_expression_that_nothing_matches(self) -> None:
        with pytest.raises(UserError, match="no test of onnx has a match of 'nothing like it'"):
            collect("nothing like it")

    def test_without_onnx(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnx", None)
        with pytest.raises(UserError, match="needs onnx, which is not installed") as e:
            profile_of("onnxruntime")
        assert e.value.hint == 'Install it: pip install "hwcore-conformance[onnx]"'


def array(*values: float, dtype: object = np.float32) -> Array:
    return np.array(values).astype(dtype)


class TestComparison:
    @pytest.mark.parametrize(
        ("expected", "actual"),
        [
            (array(1, 2), array(1, 2.001)),
            (array(1, 2), array(1, 2.01)),
            (array(0), array(1e-8)),
            (array(0), array(1e-6)),
            (array(np.nan), array(np.nan)),
            (array(np.nan), array(0)),
            (array(np.inf), array(np.inf)),
            (array(np.inf), array(-np.inf)),
            (array(1, 2), array(1, 2, dtype=np.float64)),
            (array(1, 2), array(1, 2)[None]),
            (array(1, 0, dtype=bool), array(1, 0, dtype=bool)),
            (array(1, 0, dtype=bool), array(1, 1, dtype=bool)),
            (array(3, dtype=np.uint8), array(250, dtype=np.uint8)),
            (array(100, dtype=ml_dtypes.bfloat16), array(101, dtype=ml_dtypes.bfloat16)),
            (array(100, dtype=ml_dtypes.bfloat16), array(104, dtype=ml_dtypes.bfloat16)),
            (np.array(3 + 4j, np.complex64), np.array(3 - 4j, np.complex64)),
            (np.zeros((2, 0), np.float32), np.zeros((2, 0), np.float32)),
        ],
    )
    def test_it_is_that_of_onnx(self, expected: Array, actual: Array) -> None:
        try:
            OnnxRunner.assert_similar_outputs([expected], [actual], 1e-3, 1e-7)
            right = True
        except AssertionError:
            right = False
        found = compare.difference({"y": expected}, {"y": actual}, 1e-3, 1e-7)
        assert (found is None) is right, found

    def test_it_says_what_is_wrong(self) -> None:
        def said(expected: Array, actual: Array) -> str | None:
            return compare.difference({"y": expected}, {"y": actual}, 1e-3, 1e-7)

        assert said(array(1, 2), array(1, 3)) == "y: 1 of 2 numbers differ, by up to 1"
        assert said(array(1), array(1, 2)) == "y: shape (2,), expected (1,)"
        assert said(array(1), array(1, dtype=int)) == "y: dtype int64, expected float32"

    def test_numbers_of_four_bits(self) -> None:
        left, right = array(1, -8, dtype=ml_dtypes.int4), array(1, 7, dtype=ml_dtypes.int4)
        assert compare.difference({"y": left}, {"y": left}, 1e-3, 1e-7) is None
        found = compare.difference({"y": left}, {"y": right}, 1e-3, 1e-7)
        assert found == "y: 1 of 2 numbers differ, by up to 15"


APP = typer.Typer()
APP.command()(operators)


class TestTheCommand:
    def test_tables(self, tmp_path: Path) -> None:
        arguments = ["onnxruntime", "--only", "test_(add|dft|cast_INT4)", "--compare"]
        done = CliRunner().invoke(APP, [*arguments, "--out", str(tmp_path / "made")])
        assert done.exit_code == 0, done.output
        assert f"of onnx {onnx.__version__} (opset " in done.stdout
        assert "\nai.onnx.Add " in done.stdout
        assert "\nfailed: test_dft: y: 20 of 200 numbers differ, by up to" in done.stdout
        assert "onnxruntime directly: the same " in done.stdout
        stored = (tmp_path / "made" / "operators.json").read_text("utf-8")
        profile = Profile.model_validate_json(stored)
        assert profile.schema_version == 1
        assert profile.only == "test_(add|dft|cast_INT4)"
        page = (tmp_path / "made" / "operators.md").read_text("utf-8")
        assert "| ai.onnx.Cast | 0/" in page
        assert "\n## compile fused → run cpu\n" in page

    def test_json(self, tmp_path: Path) -> None:
        file = tmp_path / "deep" / "profile.json"
        arguments = ["onnxruntime", "--only", "test_add$", "--json", "--out", str(file)]
        done = CliRunner().invoke(APP, arguments)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == json.loads(file.read_text("utf-8"))
        assert json.loads(done.stdout)["cases"] == [
            {
                "name": "test_add",
                "domain": "ai.onnx",
                "operator": "Add",
                "opset": 14,
                "results": {
                    RUN: {"state": "passed", "reason": ""},
                    FUSED: {"state": "passed", "reason": ""},
                },
                "direct": None,
            }
        ]

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "folder.json").mkdir()
        for name, why in (("file", "a file is there"), ("folder.json", "it is a folder")):
            done = CliRunner().invoke(APP, ["onnxruntime", "--out", str(tmp_path / name)])
            assert isinstance(done.exception, UserError)
            assert f"{name} cannot be written: {why}" in str(done.exception)
            assert done.exception.hint == "Name a file that ends in .json, or a folder."
