"""Write again what is generated from code: the contract, parts of these pages, option schemas.

``python docs/generate.py`` writes what has changed and names it; ``--check`` only names it, and
leaves with status 1 if there is any. A generated part of a page stands between the comments
``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``, where ``NAME`` is ``commands``,
``tolerances`` or that of a value type.
"""

from __future__ import annotations

import ast
import datetime
import enum
import importlib
import inspect
import itertools
import json
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("docs/cli.md", "docs/formats.md", "docs/conformance.md")
PLUGINS = ("torch", "onnxruntime", "openvino", "intel")
WIDTH = 88

_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end: (?P=name) -->)", re.DOTALL
)


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.contract_page import as_contract

    files = {ROOT / page: fill((ROOT / page).read_text("utf-8")) for page in PAGES}
    found = killers()
    files[ROOT / "docs" / "contract.md"] = as_contract(ALL, found)
    package = ROOT / "conformance" / "src" / "hwcore_conformance"
    files[package / "killers.json"] = json.dumps(found, indent=1) + "\n"
    for plugin in PLUGINS:
        package = f"core_plugin_{plugin}"
        path = ROOT / "plugins" / plugin / "src" / package / "options.schema.json"
        files[path] = importlib.import_module(f"{package}.options").as_text()
    return files


def killers() -> dict[str, list[str]]:
    """The plugins that break a clause on purpose, by clause: each file says which it breaks."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "tests" / "conformance" / "bad_plugins").glob("*.py")):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KILLS":
                found.setdefault(ast.literal_eval(node.value), []).append(file.stem)
    return dict(sorted(found.items()))


def fill(page: str) -> str:
    """A page with its generated parts made anew."""
    shown: set[type[BaseModel]] = set()

    def make(part: re.Match[str]) -> str:
        whole = {"commands": commands, "tolerances": tolerances}.get(part["name"])
        content = whole() if whole is not None else fields(part["name"], shown)
        return f"{part['begin']}\n{content}\n\n{part['end']}"

    return _PART.sub(make, page)


def commands() -> str:
    """A table of the commands, and a heading and the help text of every one."""
    helps = list(_helps())
    rows = [
        f"| [`{name}`](#{name.replace(' ', '-')}) | {_line(summary)} |"
        for name, summary, _ in sorted(helps)
        if name != "hwcore"
    ]
    parts = [f"### `{name}`\n\n```text\n{text}\n```" for name, _, text in helps]
    return "\n\n".join(("\n".join(("| command | does |", "|---|---|", *rows)), *parts))


def _helps() -> Iterator[tuple[str, str, str]]:
    """Name, summary and help text of each command, groups before what is in them."""
    import typer

    from hwcore.cli.app import app
    from hwcore.cli.plugged import Plugged

    pending: list[tuple[str, Any, Any]] = [("hwcore", typer.main.get_command(app), None)]
    while pending:
        name, command, parent = pending.pop(0)
        if isinstance(command, Plugged):
            command = command.load()
        command.rich_markup_mode = None  # plain text, the same on every terminal
        context = command.context_class(
            command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings
        )
        yield (
            context.command_path,
            command.get_short_help_str(limit=1000),
            "\n".join(line.rstrip() for line in command.get_help(context).splitlines()),
        )
        for child in getattr(command, "list_commands", lambda _: ())(context):
            pending.append((child, command.get_command(context, child), context))


def tolerances() -> str:
    """A table of the numbers that plugins are held to, with where each comes from."""
    from hwcore_conformance.tolerances import REPEATED, TABLE

    rows = [
        f"| {' | '.join(key)} | {value.max_error:g} | {value.rms_error:g} | {_line(value.origin)} |"
        for key, value in TABLE.items()
    ]
    bounds = f"{REPEATED.max_error:g} | {REPEATED.rms_error:g}"
    rows.append(f"| the same twice | any | any | {bounds} | {_line(REPEATED.origin)} |")
    titles = "| outputs | scheme | rest | largest error | root mean square | where it comes from |"
    return "\n".join((titles, "|---|---|---|---|---|---|", *rows))


def fields(root: str, shown: set[type[BaseModel]]) -> str:
    """Tables of the fields of a value type and of those inside it that were not ``shown``."""
    tables = []
    pending = [_roots()[root]]
    while pending:
        model = pending.pop(0)
        if model not in shown:
            shown.add(model)
            tables.append(_table(model))
            for field in model.model_fields.values():
                pending += _models_in(field.annotation)
    return "\n\n".join(tables)


def _roots() -> dict[str, type[BaseModel]]:
    from hwcore.contract import ArtifactManifest, DatasetInfo, Manifest, Recipe
    from hwcore.workflows.bench import BenchRow
    from hwcore.workflows.doctor import DoctorReport
    from hwcore.workflows.sensitivity import SensitivityFile
    from hwcore.workflows.study import StudyFile
    from hwcore_conformance.baseline import Baseline
    from hwcore_conformance.report import Report

    models = (StudyFile, ArtifactManifest, DatasetInfo, Recipe, Manifest, BenchRow, DoctorReport)
    models += (Baseline, Report, SensitivityFile)
    return {model.__name__: model for model in models}


def _table(model: type[BaseModel]) -> str:
    meanings = _docstrings(model)
    rows = [
        f"| `{name}`{'' if field.is_required() else '?'} | {_type(field.annotation)} "
        f"| {_line(meanings.get(name, ''))} |"
        for name, field in model.model_fields.items()
    ]
    summary = _line((model.__doc__ or "").split("\n\n")[0])
    head = f"### {model.__name__}\n\n{summary}\n\n| key | type | meaning |\n|---|---|---|\n"
    return head + "\n".join(rows)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _type(annotation: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value!r}`".replace("'", '"') for value in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"object: {_type(inner[0])} to {_type(inner[1])}"
    if inner:
        return " or ".join(dict.fromkeys(_type(part) for part in inner))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{json.dumps(member.value)}`" for member in annotation)
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    names |= {datetime.datetime: "time, ISO 8601", datetime.date: "date"}
    return names.get(annotation, "any JSON")


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field of a class, which Python itself throws away."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found = {}
    for field, after in itertools.pairwise(body.body if isinstance(body, ast.ClassDef) else []):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = str(after.value.value)
    return found


def _line(docstring: str) -> str:
    """A docstring as one line of Markdown."""
    text = " ".join(docstring.split()).replace("``", "`").replace("`None`", "`null`")
    return text.replace("|", "\\|")


def main() -> None:
    """Write, or check, every generated file."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for path, text in generated().items():
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, "utf-8")
    sys.stdout.write("".join(f"{'stale' if check else 'written'}: {name}\n" for name in stale))
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
