"""A model's image processor: pictures to pixel values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwcore.contract import Signature, UserError
from hwcore.transformers.libraries import quiet_transformers, require


class ImageProcessor:
    """Image files to the model's inputs. `load_image_processor` makes one."""

    name = "pixel_values"

    def __init__(self, processor: Any, shape: tuple[int | str, ...]) -> None:
        self._processor = processor
        self._shape = shape

    def __call__(self, paths: Sequence[Path]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Float32 ``[images, channels, height, width]``. Raises `UserError` naming a bad file."""
        images = [self._open(path) for path in paths]
        found = self._processor(images, return_tensors="np")[self.name]
        pixels: np.ndarray[Any, np.dtype[np.float32]] = np.asarray(found, dtype=np.float32)
        if pixels.shape[1:] != self._shape[1:]:
            raise UserError(
                f"the image processor gives {pixels.shape[1:]}, the model takes {self._shape[1:]}",
                hint="Make preprocessor_config.json and config.json agree on the image size.",
            )
        return pixels

    def _open(self, path: Path) -> Any:
        pillow, operations = require("PIL.Image"), require("PIL.ImageOps")
        try:
            with pillow.open(path) as image:
                return operations.exif_transpose(image).convert("RGB")
        except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
            raise UserError(
                f"{path} is not an image that can be read: {error}",
                hint="Delete the file, or save it again as PNG or JPEG.",
            ) from error


def load_image_processor(folder: Path, signature: Signature) -> ImageProcessor:
    """The processor of a folder, for a model of that signature. It runs on numpy and Pillow.

    Imports transformers and, where it is installed, torch. Raises `UserError` if there is none.
    """
    transformers = require("transformers")
    with quiet_transformers():
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder, backend="pil", local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{folder} has no image processor that can be read",
                hint="Put the model's preprocessor_config.json into the folder.",
            ) from error
    return ImageProcessor(processor, signature.inputs[0].shape)
