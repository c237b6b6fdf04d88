"""Configurations with values that cannot be: the key is named, whatever stands there."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intel_configs import resolved

from core_plugin_intel.config import merged, translate
from core_plugin_intel.config.defaults import VERSION_2, VERSION_3
from core_plugin_intel.config.section import shown
from core_plugin_intel.config.version2 import ATTRIBUTES, SECTIONS
from core_plugin_intel.config.version3 import ALGORITHMS
from core_plugin_intel.options import BY_CAPABILITY
from hwcore.contract import UserError


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"calibration_sampling_size": "many"}, "calibration_sampling_size: many is no number"),
        ({"calibration_sampling_size": [[8]]}, "calibration_sampling_size: [[8]] is no number"),
        ({"calibration_sampling_size": 7}, "calibration_sampling_size: Input should be greater"),
        (
            {"quantization": {"calibration": {"sampling_size": [1]}}},
            "quantization.calibration.sampling_size: Input should be greater than or equal to 8",
        ),
        ({"tuning_criterion": {"max_trials": "x"}}, "tuning_criterion.max_trials: x is no number"),
        ({"tuning_criterion": {"max_trials": True}}, "tuning_criterion.max_trials: True is no"),
        ({"tuning_criterion": {"max_trials": 0.5}}, "tuning_criterion.max_trials: Input should"),
        ({"tuning_criterion": {"timeout": -1}}, "tuning_criterion.timeout: Input should be great"),
        (
            {"accuracy_criterion": {"tolerable_loss": "abc"}},
            "accuracy_criterion.tolerable_loss: abc is no number",
        ),
        (
            {"accuracy_criterion": {"tolerable_loss": float("inf")}},
            "accuracy_criterion.tolerable_loss: Input should be a finite number",
        ),
        ({"accuracy_criterion": {"criterion": "best"}}, "accuracy_criterion.criterion: Input"),
        ({"approach": [3]}, "approach: [3] is no word"),
        ({"approach": {"a": 1}}, "approach: {'a': 1} is no word"),
        ({"recipes": {"smooth_quant": "no"}}, "recipes.smooth_quant: no is neither true nor"),
        (
            {"recipes": {"smooth_quant": True, "smooth_quant_args": {"alpha": 7}}},
            "recipes.smooth_quant_args.alpha: Input should be less than or equal to 1",
        ),
        ({"op_name_dict": ["a"]}, "op_name_dict: ['a'] is no mapping of names"),
        ({"op_name_dict": {"a": 3}}, "op_name_dict.a: 3 is no mapping of names"),
        ({"quantization": 3}, "quantization: 3 is no mapping of names"),
        ({"quantization": {"model_wise": [1]}}, "quantization.model_wise: [1] is no mapping"),
        ({"static_quant": ["a"]}, "static_quant: ['a'] is no mapping of names"),
        ({"static_quant": {1: 2}}, "static_quant: {1: 2} is no mapping of names"),
        ({"static_quant": {"local": {"a": {"w_dtype": [1]}}}}, "static_quant.local.a.w_dtype: [1]"),
        ({"static_quant": {"act_dtype": "fp32"}}, "static_quant.act_dtype: Input should be 'uint8"),
        ({"rtn": {"use_sym": "perhaps"}}, "rtn.use_sym: perhaps is neither true nor false"),
        ({"rtn": {"group_size": 8.5}}, "rtn.group_size: Input should be a valid integer"),
        ({"autoround": {"global": {"iters": 0}}}, "autoround.global.iters: Input should be great"),
    ],
)
def test_the_key_is_named(node: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        followed(node)
    assert (
        str(caught.value)
        .replace(" in the configuration of Neural Compressor", "")
        .startswith(message)
    )
    assert caught.value.hint == "Mend the value, or leave it out."


def followed(node: Any) -> None:
    """Do all that a step does before it has a model."""
    made = translate(node)
    merged(BY_CAPABILITY[made.capability](), made)


def test_a_step_says_it_as_well() -> None:
    node = {"rtn": {"group_size": "wide"}}
    with pytest.raises(UserError, match=r"rtn.group_size .*: wide is no number"):
        resolved(BY_CAPABILITY["int4-rtn"](config=node), "int4-rtn")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("a\n  b", "a b"),
        ("x" * 61, "x" * 59 + "…"),
        ([1 << 100_000], "[0x1" + "0" * 55 + "…"),
        ([[[1]]], "[[[...]]]"),
    ],
)
def test_a_value_is_shown_in_one_short_line(value: Any, line: str) -> None:
    assert shown(value) == line


KEYS = sorted(
    {*VERSION_2, *VERSION_3, *ATTRIBUTES, *SECTIONS, *ALGORITHMS}
    | {"weight", "activation", "dtype", "scheme", "granularity", "algorithm", "bits", "bit"}
    | {"group_size", "use_sym", "global", "local", "op", "bf16_ops_list", "alpha", "op_wise"}
    | {"Linear", "sampling_size", "calibration", "model_wise", "optype_wise", "criterion"}
    | {"tolerable_loss", "relative", "max_trials", "timeout", "exit_policy", "smooth_quant"}
    | {"precisions", "is_static", "smooth_quant_args", "rtn_args", "gptq_args", "white_list"}
    | {"performance_only", "('a', 'Linear')", "w_dtype", "act_dtype", "classifier", "("}
)
WORDS = ("fp32", "bf16", "static", "dynamic", "weight_only", "GPTQ", "RTN", "asym", "kl", "2%", "*")
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([4, 8, 1e300]),
    st.just(20_000).map(lambda bits: 1 << bits),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(WORDS),
    st.binary(max_size=3),
    st.just(datetime.date(2001, 2, 3)),
    st.just(frozenset({"a"})),
)
NAMES = st.one_of(st.sampled_from(KEYS), st.text(max_size=3))
PAIRS = st.tuples(NAMES, st.sampled_from(["Linear", "add"]))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(NAMES, inner, max_size=4),
        st.dictionaries(st.one_of(PAIRS, st.integers()), inner, max_size=2),
    ),
    max_leaves=12,
)


def follow_or_refuse(node: Any) -> None:
    with contextlib.suppress(UserError):
        followed(node)


@given(st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)))
def test_nothing_but_user_errors_comes_of_any_value(node: Any) -> None:
    follow_or_refuse(node)


@given(st.sampled_from(sorted(ALGORITHMS)), VALUES)
def test_nor_of_any_setting_of_an_algorithm(name: str, value: Any) -> None:
    follow_or_refuse({name: value})


@given(st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), VALUES, min_size=1))
def test_nor_of_any_attribute_of_version_2(node: dict[str, Any]) -> None:
    follow_or_refuse(node)
