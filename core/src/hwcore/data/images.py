"""A folder of images, prepared by the model's own image processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwcore.artifacts.digest import sha256_file
from hwcore.contract import Array, Artifact, Column, UserError
from hwcore.data.labels import LabelMap
from hwcore.data.material import classes
from hwcore.transformers.images import load_image_processor

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Images:
    """`Material` made of images, in one subfolder per class or, unlabelled, in one folder."""

    def __init__(self, path: Path, source: Artifact) -> None:
        self.path = path
        self._files, folders = _find(path)
        self.labels = _labels(self._files, folders, classes(source))
        signature = source.component().signature
        self._processor = load_image_processor(source.root, signature)
        shape = tuple(int(size) for size in signature.inputs[0].shape[1:])
        self.columns = {self._processor.name: Column(dtype="float32", shape=shape)}

    def __len__(self) -> int:
        return len(self._files)

    def keys(self, rows: Sequence[int]) -> list[bytes]:
        """Digests of the files."""
        return [sha256_file(self._files[row]).encode() for row in rows]

    def inputs(self, rows: Sequence[int]) -> dict[str, list[Array]]:
        """Pixel values, ``[channels, height, width]`` each."""
        pixels = self._processor([self._files[row] for row in rows])
        return {self._processor.name: list(pixels)}


def _find(folder: Path) -> tuple[list[Path], list[str]]:
    """Images in a stable order, and the names of the subfolders that they lie in."""
    files = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not files:
        raise UserError(f"{folder} has no images", hint=f"It may hold {', '.join(SUFFIXES)} files.")
    depths = {len(path.relative_to(folder).parts) for path in files}
    if depths == {1}:
        return files, []
    if depths != {2}:
        raise UserError(
            f"{folder} has images at several levels",
            hint="Put them into one subfolder per class, or all into the folder itself.",
        )
    return files, sorted({path.parent.name for path in files})


def _labels(
    files: Sequence[Path], folders: Sequence[str], known: tuple[str, ...]
) -> list[int] | None:
    if not folders or not known:
        return None
    labels = LabelMap(known)
    ids = {name: labels.id_of(name) for name in folders}
    for name, found in ids.items():
        if found is None:
            raise labels.unknown(f"folder {name}", name)
    return [label for file in files if (label := ids[file.parent.name]) is not None]
