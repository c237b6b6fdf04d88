"""The checkpoint written again: what was changed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core_plugin_torch.rewrite import locate, rewrite
from hwcore.contract import Artifact, UserError
from hwcore.transformers import load_module, read_source

Source = Callable[..., Artifact]


def _read(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            found |= {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    return found


def _out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    return out


def _again(out: Path, tmp_path: Path) -> Artifact:
    return read_source(out, into=tmp_path / "again")


def test_nothing_changed_is_everything_as_it_was(tiny_source: Source, tmp_path: Path) -> None:
    source, out = tiny_source("bert"), _out(tmp_path)
    fractions: list[float] = []
    written = rewrite(source, out, {}, step=fractions.append)
    assert {path.name for path in out.iterdir()} == set(source.manifest.files)
    for name in source.manifest.files:
        if not name.endswith(".safetensors"):
            assert (out / name).read_bytes() == (source.root / name).read_bytes()
    before, after = _read(source.root), _read(out)
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert written.facts() == {key: source.manifest.facts[key] for key in written.facts()}
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_changed_tensor_is_the_only_one(tiny_source: Source, tmp_path: Path) -> None:
    source, out = tiny_source("bert"), _out(tmp_path)
    name = "bert.encoder.layer.0.output.dense.weight"
    shown: dict[str, torch.Tensor] = {}
    new = torch.randn(32, 64)
    rewrite(source, out, {name: new}, look=shown.__setitem__)
    before, after = _read(source.root), _read(out)
    assert [n for n in before if not torch.equal(before[n], after[n])] == [name]
    assert torch.equal(after[name], new)
    assert torch.equal(shown[name], new)
    with safe_open(out / "model.safetensors", "pt") as stored:
        assert stored.metadata() == {"format": "pt"}
    assert load_module(_again(out, tmp_path)) is not None


def test_shards_stay(tmp_path: Path) -> None:
    home = models.tiny("bert", tmp_path / "model", max_shard_size="20KB")
    source, out = read_source(home, into=tmp_path / "source"), _out(tmp_path)
    index = json.loads((home / "model.safetensors.index.json").read_text())
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    rewrite(source, out, {name: torch.zeros(64, 32)})
    assert json.loads((out / "model.safetensors.index.json").read_text()) == index
    assert len(list(out.glob("*.safetensors"))) > 2
    found = _read(out)
    assert not found[name].any()
    assert found.keys() == _read(home).keys()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtypes_stay_and_values_are_rounded_to_them(dtype: torch.dtype, tmp_path: Path) -> None:
    home = models.tiny("bert", tmp_path / "model")
    tensors = {name: tensor.to(dtype) for name, tensor in _read(home).items()}
    save_file(tensors, home / "model.safetensors", {"format": "pt"})
    source, out = read_source(home, into=tmp_path / "source"), _out(tmp_path)
    module = load_module(source).model
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert locate(source, {name: module.get_parameter(name)}) == {name: name}
    shown: dict[str, torch.Tensor] = {}
    written = rewrite(source, out, {name: torch.full((32, 32), 1 / 3)}, look=shown.__setitem__)
    found = _read(out)
    assert {tensor.dtype for tensor in found.values()} == {dtype}
    assert torch.equal(found[name], torch.full((32, 32), 1 / 3).to(dtype))
    assert torch.equal(shown[name], found[name])
    assert written.facts()["bits_per_weight"] == 8 * dtype.itemsize


def test_other_shapes_names_and_settings(tmp_path: Path) -> None:
    """A smaller tensor, one that is gone, one with another name; the index says the same."""
    home = models.tiny("bert", tmp_path / "model", max_shard_size="20KB")
    source, out = read_source(home, into=tmp_path / "source"), _out(tmp_path)
    before = _read(home)
    name = "bert.encoder.layer.0.intermediate.dense.weight"

    def rename(tensor: str) -> str | None:
        if tensor.startswith("bert.pooler."):
            return None
        return tensor.replace("layer.1.", "layer.7.")

    written = rewrite(
        source,
        out,
        {name: before[name][:10]},
        rename=rename,
        config={"intermediate_size": 10, "architectures": ["BertModel"]},
    )
    after = _read(out)
    assert after[name].shape == (10, 32)
    assert not any(n.startswith("bert.pooler.") for n in after)
    moved = "bert.encoder.layer.7.output.dense.bias"
    assert torch.equal(after[moved], before[moved.replace("7", "1")])
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(after)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in after.values())
    assert written.parameters == sum(tensor.numel() for tensor in after.values())
    was, now = (json.loads((folder / "config.json").read_text()) for folder in (home, out))
    assert now == was | {"intermediate_size": 10, "architectures": ["BertModel"]}


@pytest.mark.parametrize("name", ["encoder.layer.9", "numbers"])
def test_what_is_not_there_cannot_change(name: str, tmp_path: Path) -> None:
    home = models.tiny("bert", tmp_path / "model")
    tensors = {**_read(home), "numbers": torch.arange(4)}
    save_file(tensors, home / "model.safetensors", {"format": "pt"})
    source = read_source(home, into=tmp_path / "source")
    with pytest.raises(UserError, match=f"no floating-point tensor '{name}' to change"):
        rewrite(source, _out(tmp_path), {name: torch.zeros(4)})


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_parameter_is_found(family: models.Family, tiny_source: Source) -> None:
    """ViT's tensors have other names in the file than in the module."""
    source = tiny_source(family)
    parameters = dict(load_module(source).model.named_parameters())
    places = locate(source, parameters)
    stored = _read(source.root)
    assert len(set(places.values())) == len(places) == len(parameters)
    for name, place in places.items():
        assert torch.equal(parameters[name], stored[place])
    renamed = {name for name, place in places.items() if name != place}
    assert bool(renamed) == (family == "vit")


def test_a_body_is_found_in_a_model_with_a_head(tmp_path: Path) -> None:
    home = models.tiny("bert", tmp_path / "model")
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"]}))
    source = read_source(home, into=tmp_path / "source")
    parameters = dict(load_module(source).model.named_parameters())
    places = locate(source, parameters)
    assert {name: f"bert.{name}" for name in parameters} == places


def test_equal_tensors_are_told_apart_by_their_layer(tmp_path: Path) -> None:
    """Biases of zeros and norms of ones, as in a model that was not trained yet."""
    home = models.tiny("vit", tmp_path / "model")
    tensors: dict[str, Any] = {}
    for name, tensor in _read(home).items():
        plain = torch.ones_like if name.endswith("weight") else torch.zeros_like
        tensors[name] = plain(tensor) if tensor.dim() == 1 else tensor
    save_file(tensors, home / "model.safetensors", {"format": "pt"})
    source = read_source(home, into=tmp_path / "source")
    places = locate(source, dict(load_module(source).model.named_parameters()))
    assert len(set(places.values())) == len(places)
    start = "vit.layers.1.attention"
    assert places[f"{start}.k_proj.bias"] == "vit.encoder.layer.1.attention.attention.key.bias"
    norm = "layernorm_after.weight"
    assert places[f"vit.layers.0.{norm}"] == f"vit.encoder.layer.0.{norm}"


def test_a_tensor_that_is_not_there(tiny_source: Source) -> None:
    with pytest.raises(UserError, match="does not hold made-up as the model has it"):
        locate(tiny_source("bert"), {"made-up": torch.full((32, 32), 0.5)})


def test_tensors_that_nothing_tells_apart(tmp_path: Path) -> None:
    home = models.tiny("bert", tmp_path / "model")
    twins = {"a.x": torch.full((3, 5), 0.5), "b.x": torch.full((3, 5), 0.5)}
    save_file({**_read(home), **twins}, home / "model.safetensors", {"format": "pt"})
    source = read_source(home, into=tmp_path / "source")
    with pytest.raises(UserError, match=r"a\.x and b\.x in .* hold the same: which is c\.x"):
        locate(source, {"c.x": torch.full((3, 5), 0.5)})
    assert locate(source, {"a.x": torch.full((3, 5), 0.5)}) == {"a.x": "a.x"}
