"""The pages as a browser has them: nothing complains, nothing is fetched, the filter works."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from browser import Browser
from reports import CLAUSES, report

from hwcore_conformance.folder import write_file
from hwcore_conformance.matrix import as_matrix, find
from hwcore_conformance.required import Filters
from hwcore_conformance.states import State
from hwcore_conformance.writing import write_report

pytestmark = pytest.mark.skipif(
    browser.program() is None, reason="no browser is here: apt-get install chromium"
)

SHOWN = "[...document.querySelectorAll('[data-row]')].filter(r => r.offsetParent).length"
SECTIONS = "[...document.querySelectorAll('[data-group]')].filter(g => g.offsetParent).length"
TYPE = (
    "(box => {{ box.value = {!r}; box.dispatchEvent(new Event('input')) }})"
    "(document.querySelector('.bar input'))"
)
CLICK = 'document.querySelector(".bar button[value={}]").click()'
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report and a matrix."""
    root = tmp_path_factory.mktemp("reports")
    absent = {f"RUN-00{n} gpu": State.NOT_RUN_ON_HARDWARE for n in (1, 2, 3)}
    write_report(root / "one", report({"RUN-001 numpy": State.FAIL, **absent}), CLAUSES)
    plugin = report().plugin.model_copy(update={"name": "zeta", "version": "2.0"})
    newer = datetime.datetime(2026, 5, 9, tzinfo=datetime.UTC)
    quick = report(plugin=plugin, started=newer, filters=Filters(quick=True))
    write_report(root / "two", quick, CLAUSES)
    out = root / "matrix.html"
    write_file(out, as_matrix(find(root, CLAUSES), root=root, out=out))
    return root


@pytest.fixture(params=[(1200, False), (390, True)], ids=["desk", "phone, dark"])
def window(request: pytest.FixtureRequest) -> Iterator[Browser]:
    width, dark = request.param
    with Browser(width=width, dark=dark) as found:
        yield found
        assert found.complaints == []


def test_a_report(window: Browser, pages: Path) -> None:
    window.open(pages / "one" / "report.html")
    assert window.ask("document.title") == "acme 1.0.0: hwcore conformance"
    assert "broken: RUN-001 numpy" in window.ask("document.body.innerText")
    assert not window.ask(TOO_WIDE)
    assert (window.ask(SHOWN), window.ask(SECTIONS)) == (12, 6)
    window.ask(CLICK.format("FAIL"))
    assert (window.ask(SHOWN), window.ask(SECTIONS)) == (1, 1)
    window.ask(CLICK.format("NOT_RUN_ON_HARDWARE"))
    assert window.ask(SHOWN) == 4
    window.ask(CLICK.format("FAIL"))
    window.ask(CLICK.format("NOT_RUN_ON_HARDWARE"))
    window.ask(TYPE.format("manifest 002"))
    assert window.ask(SHOWN) == 1
    assert window.ask("document.querySelector('.bar output').textContent") == "1 of 12"
    window.ask(TYPE.format(""))
    assert window.ask(SHOWN) == 12


def test_a_matrix(window: Browser, pages: Path) -> None:
    window.open(pages / "matrix.html")
    assert (window.ask(SHOWN), window.ask(SECTIONS)) == (8, 2)
    assert not window.ask(TOO_WIDE)
    window.ask(TYPE.format("zeta"))
    assert (window.ask(SHOWN), window.ask(SECTIONS)) == (4, 1)
    window.ask(TYPE.format(""))
    window.ask(CLICK.format("broken"))
    assert window.ask(SHOWN) == 1
    assert "RUN-001 is not so" not in window.ask("document.body.innerText")
    window.ask("document.querySelector('[data-row]:not([hidden]) summary').click()")
    assert "RUN-001, broken: RUN-001 is not so" in window.ask("document.body.innerText")
    assert not window.ask(TOO_WIDE)


def test_a_complaint_is_heard(pages: Path) -> None:
    """The policy forbids what is not ours, and the tests above would see it."""
    bad = pages / "bad.html"
    text = (pages / "matrix.html").read_text("utf-8")
    bad.write_text(text.replace("</body>", "<script>1</script></body>"), "utf-8")
    with Browser() as found:
        found.open(bad)
        assert "Content Security Policy" in " ".join(found.complaints)
