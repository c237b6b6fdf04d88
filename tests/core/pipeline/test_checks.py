"""Checks of a step's result, with small engines in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest

from hwcore.contract import (
    Array,
    Arrays,
    Artifact,
    Component,
    Dim,
    PluginError,
    Signature,
    TensorSpec,
    ToleranceExceeded,
    Traits,
    UserError,
)
from hwcore.pipeline.checks import (
    BATCHES,
    Check,
    check_facts,
    check_lossless,
    check_lossy,
    check_signature,
    unlike_sizes,
)

SIGNATURE = parts.text_signature()
WEIGHTS = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)


class Engine:
    """Logits as the mean of the rows of a table; ``then`` changes them before they are given."""

    def __init__(
        self, then: Callable[[Array], Array] = lambda y: y, signature: Signature = SIGNATURE
    ) -> None:
        self.signature = signature
        self.then = then
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, Array]:
        self.signature.bind(inputs)
        self.seen.append(inputs["input_ids"].shape)
        mask = inputs["attention_mask"][..., None]
        rows = WEIGHTS[inputs["input_ids"]] * mask
        return {"logits": self.then((rows.sum(axis=1) / mask.sum(axis=1)).astype(np.float32))}

    def close(self) -> None: ...


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Artifact]:
    def artifact(signature: Signature = SIGNATURE, **manifest: Any) -> Artifact:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        components = {"model": Component(signature=signature)}
        return parts.artifact(folder, **({"components": components} | manifest))

    return artifact


Make = Callable[..., Artifact]


class TestSizes:
    def test_are_unlike(self) -> None:
        sizes = list(unlike_sizes(SIGNATURE))
        assert [size["batch"] for size in sizes] == list(BATCHES)
        assert len({size["sequence"] for size in sizes}) == len(sizes)

    @pytest.mark.parametrize(
        "dim",
        [
            Dim(name="sequence", max=4),
            Dim(name="sequence", min=100),
            Dim(name="sequence", multiple_of=24),
            Dim(name="sequence", max=20, multiple_of=8),
            Dim(name="sequence", min=13, max=29, multiple_of=7),
        ],
    )
    def test_are_what_the_model_takes(self, dim: Dim) -> None:
        signature = SIGNATURE.model_copy(update={"dims": (Dim(name="batch", multiple_of=4), dim)})
        for sizes in unlike_sizes(signature):
            ids = np.zeros((sizes["batch"], sizes["sequence"]), np.int64)
            signature.bind({"input_ids": ids, "attention_mask": ids})


class TestSignature:
    def test_the_same(self, make: Make) -> None:
        check_signature(make(), make())

    def test_dimensions_may_become_narrower(self, make: Make) -> None:
        dims = (Dim(name="batch", max=4), Dim(name="sequence", max=32, multiple_of=16))
        check_signature(make(SIGNATURE.model_copy(update={"dims": dims})), make())

    @pytest.mark.parametrize(
        ("kind", "change", "message"),
        [
            ("inputs", {"name": "ids"}, r"the inputs changed from .*'input_ids'.* to .*'ids'"),
            ("inputs", {"dtype": "int32"}, r"the inputs changed from .*'int64'.* to .*'int32'"),
            ("inputs", {"shape": ("batch",)}, r"the inputs changed from "),
            ("outputs", {"name": "scores"}, r"the outputs changed from .*'logits'.* to .*'scores'"),
            ("outputs", {"dtype": "float16"}, r"the outputs changed from "),
            (
                "outputs",
                {"shape": ("batch", 3)},
                r"the output 'logits' changed its shape from \('batch', 2\) to \('batch', 3\)",
            ),
        ],
    )
    def test_what_it_takes_and_gives_may_not_change(
        self, make: Make, kind: str, change: dict[str, Any], message: str
    ) -> None:
        first, *rest = getattr(SIGNATURE, kind)
        changed = SIGNATURE.model_copy(update={kind: (first.model_copy(update=change), *rest)})
        with pytest.raises(PluginError, match=message):
            check_signature(make(changed), make())

    def test_a_lost_component(self, make: Make) -> None:
        with pytest.raises(PluginError, match="the component 'model' was lost"):
            check_signature(make(components={}), make())


class TestLossless:
    def test_equal(self, make: Make) -> None:
        child, parent = Engine(), Engine()
        check = check_lossless(child, parent, make(), make())
        assert check == Check(
            status="passed", detail="equals its parent over 3 shapes", max_error=0.0
        )
        assert len(set(child.seen)) == 3
        assert child.seen == parent.seen

    def test_rounding_is_allowed_and_noted(self, make: Make) -> None:
        check = check_lossless(Engine(lambda y: y * np.float32(1 + 1e-4)), Engine(), make(), make())
        assert check.status == "passed"
        assert check.max_error == pytest.approx(2e-4, rel=0.5)

    def test_more_is_not(self, make: Make) -> None:
        with pytest.raises(ToleranceExceeded) as caught:
            check_lossless(Engine(lambda y: y + 0.01), Engine(), make(), make(format="onnx"))
        assert caught.value.message.startswith("output 'logits' differs from the onnx model's by ")
        assert "(allowed: 0.002), root mean square" in caught.value.message
        assert caught.value.message.endswith("at {'batch': 1, 'sequence': 33}")

    def test_a_fault_in_one_shape_alone_is_found(self, make: Make) -> None:
        broken = Engine(lambda y: y + (len(y) == 3))
        with pytest.raises(ToleranceExceeded, match=r"at \{'batch': 3, 'sequence': 16\}"):
            check_lossless(broken, Engine(), make(), make())

    def test_a_quantized_parent_leaves_room(self, make: Make) -> None:
        loose = Engine(lambda y: y * np.float32(1.02))
        quantized = make(traits=Traits(quantization="int8-dynamic"))
        assert check_lossless(loose, Engine(), make(), quantized).status == "passed"
        with pytest.raises(ToleranceExceeded):
            check_lossless(loose, Engine(), make(), make())

    def test_not_a_number(self, make: Make) -> None:
        with pytest.raises(ToleranceExceeded, match="differs from the toy model's by nan"):
            check_lossless(Engine(lambda y: y * np.nan), Engine(), make(), make())

    @pytest.mark.parametrize("number", [np.nan, np.inf])
    def test_a_source_that_gives_no_numbers_is_the_users(self, make: Make, number: float) -> None:
        broken = Engine(lambda y: y * np.float32(number))
        message = "the transformers model itself gives values that are not finite in its output"
        with pytest.raises(UserError, match=f"{message} 'logits', at ") as caught:
            check_lossless(broken, broken, make(), make(format="transformers"))
        assert "NaN or infinity in its weights" in (caught.value.hint or "")

    def test_another_shape(self, make: Make) -> None:
        wide = Engine(lambda y: np.concatenate([y, y], axis=1))
        with pytest.raises(
            ToleranceExceeded,
            match=r"output 'logits' has shape \(1, 4\), expected \(1, 2\), at \{'batch': 1",
        ):
            check_lossless(wide, Engine(), make(), make())

    def test_a_shape_that_broadcasts_is_another_shape(self, make: Make) -> None:
        flat = Engine(lambda y: y[:, :1])
        with pytest.raises(ToleranceExceeded, match=r"has shape \(1, 1\), expected \(1, 2\)"):
            check_lossless(flat, Engine(), make(), make())

    def test_a_result_that_takes_less_is_checked_with_what_it_takes(self, make: Make) -> None:
        dims = (Dim(name="batch", max=1), Dim(name="sequence", min=16, max=48, multiple_of=16))
        narrow = SIGNATURE.model_copy(update={"dims": dims})
        child = Engine(signature=narrow)
        assert check_lossless(child, Engine(), make(narrow), make()).status == "passed"
        assert set(child.seen) == {(1, 16), (1, 48)}

    def test_inputs_are_filled_as_the_source_says(self, make: Make) -> None:
        """A result must not get away with inputs of zeros by leaving its fills out."""
        inputs = tuple(spec.model_copy(update={"fill": None}) for spec in SIGNATURE.inputs)
        bare = SIGNATURE.model_copy(update={"inputs": inputs})
        zeros_only = Engine(lambda y: np.broadcast_to(WEIGHTS[0], y.shape), bare)
        with pytest.raises(ToleranceExceeded, match="differs"):
            check_lossless(zeros_only, Engine(), make(bare), make())


class TestLossy:
    CLAIMS: dict[str, Any] = {  # noqa: RUF012
        "traits": Traits(quantization="int8-dynamic"),
        "facts": {"ops_quantized": 1, "bits_per_weight": 8.0, "parameters": 100},
    }

    def test_any_finite_answer_will_do(self, make: Make) -> None:
        check = check_lossy(Engine(lambda y: -7 * y), make(**self.CLAIMS), make())
        assert check == Check(status="passed", detail="finite over 3 shapes, size as claimed")

    @pytest.mark.parametrize("number", [np.nan, np.inf])
    def test_not_a_number(self, make: Make, number: float) -> None:
        broken = Engine(lambda y: np.where(np.arange(len(y))[:, None] == 2, number, y))
        with pytest.raises(
            ToleranceExceeded, match=r"output 'logits' is not finite at \{'batch': 3"
        ):
            check_lossy(broken, make(**self.CLAIMS), make())

    def test_another_shape(self, make: Make) -> None:
        wide = Engine(lambda y: np.concatenate([y, y], axis=1))
        with pytest.raises(
            ToleranceExceeded, match=r"output 'logits' has shape \(1, 4\), expected \(1, 2\)"
        ):
            check_lossy(wide, make(**self.CLAIMS), make())

    def test_an_output_dimension_that_no_input_has_is_free(self, make: Make) -> None:
        output = TensorSpec(name="logits", dtype="float32", shape=("batch", "found"))
        dims = (*SIGNATURE.dims, Dim(name="found"))
        free = SIGNATURE.model_copy(update={"outputs": (output,), "dims": dims})
        wide = Engine(lambda y: np.concatenate([y, y], axis=1), free)
        assert check_lossy(wide, make(free, **self.CLAIMS), make(free)).status == "passed"
        flat = Engine(lambda y: y[:, 0], free)
        with pytest.raises(ToleranceExceeded, match=r"has shape \(1,\), expected \(1, found\)"):
            check_lossy(flat, make(free, **self.CLAIMS), make(free))

    def test_false_claims_are_no_pass(self, make: Make) -> None:
        with pytest.raises(PluginError, match="not one operation that was quantized"):
            check_lossy(Engine(), make(traits=Traits(quantization="int8-dynamic")), make())


class TestFacts:
    def make(self, make: Make, size: int, scheme: str | None = None, **facts: Any) -> Artifact:
        files = {"model.bin": bytes(size)}
        return make(files=files, traits=Traits(quantization=scheme), facts=facts)

    def test_nothing_claimed(self, make: Make) -> None:
        assert check_facts(self.make(make, 10)) == ""
        assert check_facts(self.make(make, 10, bits_per_weight=8.0)) == ""

    @pytest.mark.parametrize("facts", [{}, {"ops_quantized": 0}, {"ops_quantized": None}])
    def test_a_quantized_model_shows_what_was_quantized(
        self, make: Make, facts: dict[str, Any]
    ) -> None:
        with pytest.raises(PluginError, match="it claims a quantized model, but not one operation"):
            check_facts(self.make(make, 10, "int8-weight", **facts))
        assert check_facts(self.make(make, 10, "bf16", **facts)) == ""
        assert check_facts(self.make(make, 10, None, **facts)) == ""

    def test_bits_are_held_against_bytes(self, make: Make) -> None:
        millions = 4_000_000
        claims = {"bits_per_weight": 8.0, "parameters": millions}
        assert check_facts(self.make(make, millions, **claims)) == ", size as claimed"
        with pytest.raises(PluginError) as caught:
            check_facts(self.make(make, 2 * millions, **claims))
        assert caught.value.message == (
            "it claims 8 bits per weight, 4.0 MB for 4000000 parameters, but the files hold 8.0 MB"
        )
