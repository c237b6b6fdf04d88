"""What the documentation says is so."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pages
import pytest
from command import program
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pages import DOCS, ROOT

from hwcore import __version__
from hwcore.contract import HwcoreError, errors
from hwcore.data.split import DEFAULT_ROWS
from hwcore.evaluate import paired_bound, rows_needed
from hwcore.transformers.families import FAMILIES
from hwcore.workflows.rows import UNLABELLED_ROWS

every_page = pytest.mark.parametrize("page", pages.pages(), ids=pages.name)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors(target), link


def test_generated_parts_are_current() -> None:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [str(p) for p, text in generate.generated().items() if p.read_text("utf-8") != text]
    assert not stale, "write them again: make schemas"


def test_every_command_has_its_help_on_the_page() -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    for words in _tree(program()):
        assert f"### `{' '.join(('hwcore', *words))}`" in text


@every_page
def test_commands_that_are_shown_exist(page: Path) -> None:
    whole = program()
    for line in pages.commands(page, "hwcore"):
        command, options = whole, _options(whole)
        for word in shlex.split(line)[1:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
                options |= _options(command)
            elif re.fullmatch(r"-\w|--[\w-]+", word):
                assert word in options, f"{line}: {command.name} has no {word}"
            elif getattr(command, "commands", None) and _is_command_word(word):
                raise AssertionError(f"{line}: there is no command {word}")


@every_page
def test_make_targets_that_are_shown_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in pages.commands(page, "make"):
        assert set(line.split()[1:]) <= targets, line


def test_make_targets_start_programs_that_are_there() -> None:
    text = (ROOT / "Makefile").read_text()
    modules = re.findall(r"/python -m ((?:demo|bench|docs)[.\w]*)", text)
    scripts = re.findall(r"/python (\S+\.py)", text)
    for path in [*(module.replace(".", "/") + ".py" for module in modules), *scripts]:
        assert (ROOT / path).is_file(), path


def test_exit_codes_are_those_of_the_errors() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and k is not HwcoreError]
    expected = {
        kind.__name__: str(kind.exit_code) for kind in kinds if issubclass(kind, HwcoreError)
    }
    rows = pages.table(DOCS / "cli.md", "code", "error")
    assert {row[1].strip("`"): row[0] for row in rows if row[1]} == expected
    rows = pages.table(DOCS / "architecture.md", "class", "exit code")
    assert {row[0].strip("`"): row[1] for row in rows} == expected


def test_variables_are_those_of_the_code() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "core" / "src").rglob("*.py"))
    used = set(re.findall(r"\"(HWCORE_\w+)\"", source))
    told = " ".join(row[0] for row in pages.table(DOCS / "cli.md", "variable", "effect"))
    assert set(re.findall(r"HWCORE_\w+", told)) == used


def test_rows_needed_are_as_computed() -> None:
    for max_drop, rows in pages.table(DOCS / "optimize.md", "`--max-drop`", "rows"):
        assert int(rows) == rows_needed(float(max_drop))


def test_the_least_tolerance_is_what_the_held_out_rows_can_prove() -> None:
    [least] = re.findall(r"a tolerance below (0\.\d+) cannot be proven", _text("optimize.md"))
    step = 10.0 ** -len(least.partition(".")[2])
    assert rows_needed(float(least)) <= DEFAULT_ROWS["test"] < rows_needed(float(least) - step)


def test_bounds_are_as_computed() -> None:
    for row in pages.table(DOCS / "optimize.md", "rows", "right before, wrong now"):
        rows, lost, gained = map(int, row[:3])
        bound = paired_bound(lost, gained, rows)
        assert row[3:] == [f"{(lost - gained) / rows:.4f}", f"{bound:.4f}"]


def test_roles_have_as_many_rows_as_told() -> None:
    told = {r[0].strip("`"): int(r[1]) for r in pages.table(DOCS / "optimize.md", "role", "rows")}
    assert told == DEFAULT_ROWS
    [unlabelled] = re.findall(r"(\d+) of the `test` rows are judged on", _text("optimize.md"))
    assert int(unlabelled) == UNLABELLED_ROWS


def test_architectures_are_those_that_are_read() -> None:
    [line] = re.findall(r"^- Architectures: ([^.]+)\.", _text("optimize.md"), re.MULTILINE)
    plain = {re.sub(r"\W", "", architecture).lower() for architecture in line.split(", ")}
    assert plain == {re.sub(r"\W", "", family.model_type) for family in FAMILIES}


def test_every_requirement_is_listed_with_its_licence() -> None:
    told = {canonicalize_name(row[0]) for row in pages.table(ROOT / "THIRD_PARTY.md", "library")}
    ours = {"hwcore"}
    needed = set()
    own = [ROOT / name / "pyproject.toml" for name in ("core", "conformance")]
    for path in [*own, *ROOT.glob("plugins/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        ours.add(project["name"])
        extras = project.get("optional-dependencies", {}).values()
        for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
            needed.add(canonicalize_name(Requirement(line).name))
    assert told == needed - ours


def test_every_decision_is_in_the_list() -> None:
    folder = DOCS / "decisions"
    listed = pages.links(folder / "README.md")
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_decision_says_why_what_and_at_what_price() -> None:
    for path in (DOCS / "decisions").glob("0*.md"):
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:4]} ")
        assert re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE) == [
            "Context",
            "Choice",
            "Given up",
        ]


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_tests_that_the_architecture_names_are_there() -> None:
    for _, held_by in pages.table(DOCS / "architecture.md", "line", "held by"):
        for named in re.findall(r"`(tests/[^`]+)`", held_by):
            path, _, function = named.partition("::")
            text = (ROOT / path).read_text("utf-8")
            functions = {
                n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)
            }
            assert not function or function in functions, named


def test_import_directions_that_the_architecture_names_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    names = {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}
    rows = pages.table(DOCS / "architecture.md", "line", "held by")
    named = {n for row in rows for n in re.findall(r"lint-imports: “([^”]+)”", row[1])}
    assert named == names


def test_pages_name_no_place_of_one_machine() -> None:
    for page in pages.pages():
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", page.read_text("utf-8"))


def _text(page: str) -> str:
    return " ".join(re.sub(r"\n(?!\n|-)", " ", (DOCS / page).read_text("utf-8")).split(" "))


def _tree(command: Any) -> list[tuple[str, ...]]:
    children = getattr(command, "commands", {})
    below = [(name, *words) for name, child in children.items() for words in _tree(child)]
    return [(), *below]


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}


def _is_command_word(word: str) -> bool:
    """False for what a text puts in a command's place: ``COMMAND``, ``…``."""
    return re.fullmatch(r"[a-z]+", word) is not None
