"""The pages of this repository, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


class Block(NamedTuple):
    """A fenced block of code. ``title`` is the file that it is, if any."""

    language: str
    title: str | None
    text: str


def pages() -> list[Path]:
    """Every page: at the root, in ``docs``, and in each distribution."""
    found = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "core" / "README.md"]
    found.append(ROOT / "conformance" / "README.md")
    return sorted([*found, *ROOT.glob("plugins/*/README.md")])


def name(page: Path) -> str:
    """A page's path below the root: what a failing test is called by."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    pattern = r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$'
    found = re.findall(pattern, page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(language, title or None, text) for language, title, text in found]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Targets of the links that lead to files or headings here."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def tables(page: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The tables of a page: their column titles, and the cells of each row."""
    for text in re.findall(r"(?:^\|.*\|\n)+", prose(page), re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.splitlines()]
        cells = [[cell.strip() for cell in line] for line in lines]
        yield cells[0], cells[2:]


def table(page: Path, *titles: str) -> list[list[str]]:
    """The rows of the table whose first columns have these titles."""
    [found] = [rows for head, rows in tables(page) if tuple(head[: len(titles)]) == titles]
    return found


def commands(page: Path, program: str) -> list[str]:
    """Every line in a shell block, and every piece of inline code, that calls ``program``."""
    shell = [
        line for block in blocks(page) if block.language in ("sh", "") for line in lines(block)
    ]
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]
    return [line for line in shell + inline if line.startswith(f"{program} ")]


def lines(block: Block) -> list[str]:
    """The lines of a shell block, without comments."""
    return [re.sub(r"\s#.*", "", line).strip() for line in block.text.splitlines()]
