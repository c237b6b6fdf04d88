"""Where a configuration is: a file, a folder, or a model on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from core_plugin_intel.libraries import NOISY
from hwcore.contract import UserError
from hwcore.vendor import quiet

FILES: Final = (
    "best_configure.yaml",
    "inc_config.json",
    "inc_config.yaml",
    "neural_compressor.yaml",
    "qconfig.json",
)
"""What it is called beside a model that Neural Compressor or optimum-intel made."""
MAX_BYTES: Final = 1 << 20

# The last five are what PyYAML lets through where a value does not suit its tag.
_UNREADABLE: Final = (
    OSError,
    yaml.YAMLError,
    RecursionError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
)


def read(place: str) -> Any:
    """What stands in a local file, in the first of `FILES` in a folder or of a model on the hub.

    Raises `UserError` if it is not there or is no YAML.
    """
    path = _find(place)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(
                f"{place} has {size} bytes, expected at most {MAX_BYTES}",
                hint="Name the YAML file of Neural Compressor.",
            )
        with path.open(encoding="utf-8") as file:
            return yaml.load(file, _Loader)  # noqa: S506 - a safe one, and tuples
    except _UNREADABLE as error:
        raise UserError(
            f"{place} cannot be read as YAML: {' '.join(str(error).split())[:160]}",
            hint="Mend it, or name another.",
        ) from error


class _Loader(yaml.SafeLoader):
    """Plain YAML, and tuples: version 2 writes them into the names of operators."""

    def construct_document(self, node: yaml.Node) -> Any:
        # Depth first: then what holds itself is refused.
        self.deep_construct = True
        return super().construct_document(node)

    def construct_tuple(self, node: yaml.SequenceNode) -> tuple[Any, ...]:
        return tuple(self.construct_sequence(node))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_tuple)


def _find(place: str) -> Path:
    try:
        path = Path(place).expanduser()
        if path.is_file():
            return path
        if path.is_dir():
            return _inside(path, place)
    except (OSError, RuntimeError):  # a name that is too long, a home that is not there
        raise _missing(place) from None
    return _fetch(place)


def _inside(folder: Path, place: str) -> Path:
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise UserError(
        f"the folder {place} has no configuration of Neural Compressor",
        hint=f"Name the file, or call it one of {', '.join(FILES)}.",
    )


def _fetch(place: str) -> Path:
    """A file of a model on the hub: the one that is named, or the first of the usual ones."""
    model, _, file = place.partition(":")
    if (place.endswith((".yaml", ".yml", ".json")) and not file) or model.count("/") > 1:
        raise _missing(place)
    with quiet(*NOISY, "huggingface_hub"):
        from transformers.utils import cached_file

        for name in (file,) if file else FILES:
            try:
                found = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
            except (OSError, ValueError) as error:
                raise _missing(place) from error
            if found is not None:
                return Path(found)
    raise _missing(place)


def _missing(place: str) -> UserError:
    return UserError(
        f"there is no file {place[:80]!r} here, and no model of that name with a configuration of "
        "Neural Compressor can be had from the hub",
        hint="Name a local file or folder, or owner/name:file of the hub.",
    )
