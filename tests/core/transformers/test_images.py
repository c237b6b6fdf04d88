"""The image processor: numpy and Pillow, exactly as transformers would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import models
import numpy as np
import pytest
from PIL import Image

from hwcore.contract import Artifact, UserError
from hwcore.transformers import load_image_processor

Sources = Callable[..., Artifact]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return sorted(models.write_images(tmp_path / "images", 4).rglob("*.png"))


def test_gives_what_the_model_takes(tiny_source: Sources, pictures: list[Path]) -> None:
    source = tiny_source("vit")
    process = load_image_processor(source.root, source.component().signature)
    pixels = process(pictures)
    assert (pixels.shape, pixels.dtype) == ((4, 3, 32, 32), np.float32)
    with Image.open(pictures[0]) as image:
        resized = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), np.float64)
    expected = (resized / 255 - 0.5) / 0.5
    np.testing.assert_allclose(pixels[0], expected.transpose(2, 0, 1), atol=1e-6)


def test_modes_and_orientation(tiny_source: Sources, tmp_path: Path) -> None:
    source = tiny_source("vit")
    process = load_image_processor(source.root, source.component().signature)
    halves = np.zeros((40, 40), np.uint8)
    halves[:, 20:] = 255
    Image.fromarray(halves).save(tmp_path / "grey.png")
    Image.fromarray(halves).convert("RGBA").save(tmp_path / "alpha.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # EXIF orientation: the camera was held on its side
    Image.fromarray(halves).save(tmp_path / "turned.png", exif=turned)
    grey, alpha, side = process([tmp_path / f"{n}.png" for n in ("grey", "alpha", "turned")])
    np.testing.assert_array_equal(grey, alpha)
    np.testing.assert_array_equal(side, grey.transpose(0, 2, 1))


def test_a_file_that_is_no_image(tiny_source: Sources, pictures: list[Path]) -> None:
    source = tiny_source("vit")
    process = load_image_processor(source.root, source.component().signature)
    pictures[2].write_bytes(pictures[2].read_bytes()[:100])
    with pytest.raises(UserError, match=f"{pictures[2]} is not an image that can be read"):
        process(pictures)


def test_a_processor_of_another_size(
    tiny_source: Sources, pictures: list[Path], tmp_path: Path
) -> None:
    source = tiny_source("vit")
    config = json.loads((source.root / "preprocessor_config.json").read_text())
    config["size"] = {"height": 48, "width": 48}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    shutil.copy(source.root / "config.json", tmp_path)
    process = load_image_processor(tmp_path, source.component().signature)
    with pytest.raises(UserError, match=r"gives \(3, 48, 48\), the model takes \(3, 32, 32\)"):
        process(pictures)


def test_no_processor(tiny_source: Sources, tmp_path: Path) -> None:
    source = tiny_source("vit")
    shutil.copy(source.root / "config.json", tmp_path)
    with pytest.raises(UserError, match="has no image processor that can be read"):
        load_image_processor(tmp_path, source.component().signature)
