"""A new plugin: a complete package, to be changed bit by bit into a vendor's own.

The files below ``template`` are that package under the name ``acme``, as it stands in
``docs/plugin-author.md``. A new one is a copy in which its names take the place of acme's.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import importlib_metadata
from packaging.utils import canonicalize_name

from hwcore.contract import ENTRY_POINT_GROUP, UserError
from hwcore.workflows.new_plugin.naming import Names, names_of
from hwcore.workflows.output import output_folder

FILES = (
    ".github/workflows/conformance.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/acme_hwcore/__init__.py",
    "src/acme_hwcore/engine.py",
    "src/acme_hwcore/hwcore-plugin.toml",
    "src/acme_hwcore/options.schema.json",
    "src/acme_hwcore/plugin.py",
    "src/acme_hwcore/recipes/acme-numpy.yaml",
    "tests/test_plugin.py",
)
"""The template."""

LICENCE = "LICENSE"


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """A package that was written."""

    names: Names
    folder: Path
    files: tuple[str, ...]
    """Below the folder, sorted."""

    @property
    def next_steps(self) -> tuple[str, ...]:
        """Commands that install, test and check it."""
        return (
            f"cd {shlex.quote(str(self.folder))}",
            'pip install -e ".[build]" "hwcore-conformance[pytest]"',
            "pytest tests",
            f"hwcore conformance run {self.names.plugin} --quick",
        )


def new_plugin(name: str, out: Path | None = None, *, vendor: str | None = None) -> NewPlugin:
    """Write the package of a plugin of that name; by default into ``NAME-hwcore``.

    Raises `UserError` for a name that cannot be, one that an installed plugin has, and a folder
    that holds something.
    """
    names = names_of(name, vendor)
    _refuse_taken(names)
    folder = out or Path(names.distribution)
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty", hint="Name a new or an empty folder with --out.")
    files = {render_path(file, names): render(file, names) for file in FILES}
    files[LICENCE] = _licence()
    with output_folder(folder) as made:
        for file, text in files.items():
            path = made / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    return NewPlugin(names, folder, tuple(sorted(files)))


def render_path(file: str, names: Names) -> str:
    """Where a file of the template lies in the package."""
    return _renamed(file, names, names.vendor)


def render(file: str, names: Names) -> str:
    """The content that a file of the template has in the package."""
    text = (Path(__file__).parent / "template" / file).read_text(encoding="utf-8")
    # A string of JSON is one of TOML, too.
    quoted = json.dumps(names.vendor, ensure_ascii=False)[1:-1]
    return _renamed(text, names, quoted if file.endswith(".toml") else names.vendor)


def _renamed(text: str, names: Names, vendor: str) -> str:
    """In one pass, so that no name is looked for in another."""
    new = {
        "acme_hwcore": names.package,
        "acme-hwcore": names.distribution,
        "acme": names.plugin,
        "Acme": vendor,
    }
    return re.sub("|".join(new), lambda found: new[found[0]], text)


def _refuse_taken(names: Names) -> None:
    """Two plugins of a name cannot be installed together; an earlier one of this is no other."""
    for point in importlib_metadata.entry_points(group=ENTRY_POINT_GROUP, name=names.plugin):
        owner = point.dist.name if point.dist is not None else "something"
        if canonicalize_name(owner) != canonicalize_name(names.distribution):
            raise UserError(
                f"{owner}, which is installed, brings a plugin called {names.plugin!r}",
                hint=f"Choose another name, or make room for it: pip uninstall {owner}.",
            )


def _licence() -> str:
    """The text of Apache-2.0, from the licence file of hwcore itself."""
    text = importlib_metadata.distribution("hwcore").read_text(f"licenses/{LICENCE}")
    if text is None:
        raise UserError(
            "this installation of hwcore lacks its licence file, which the package is to have",
            hint="Install it again: pip install --force-reinstall --no-deps hwcore",
        )
    return text
