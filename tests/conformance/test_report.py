"""A report in every form."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import reports
from reports import CLAUSES, entry, report

from hwcore_conformance.attestation import as_statement
from hwcore_conformance.badge import as_badge, message
from hwcore_conformance.findings import findings
from hwcore_conformance.folder import FILES
from hwcore_conformance.html import as_page, rich
from hwcore_conformance.junit import as_junit
from hwcore_conformance.markdown import as_markdown, plain
from hwcore_conformance.report import Report, as_text, clauses_digest, digest_of
from hwcore_conformance.required import Filters
from hwcore_conformance.states import State
from hwcore_conformance.text import named
from hwcore_conformance.writing import write_report

OF = {clause.id: clause for clause in CLAUSES}
EVIL = "<script>alert(1)</script>\x1b[31m\"'&|`]]>\n- x"


def evil() -> Report:
    """A report in which the plugin's words are hostile."""
    made = report({"RUN-001 numpy": State.FAIL, "MAN-002": State.ERROR})
    records = [
        r.model_copy(update={"message": EVIL, "hint": EVIL, "measured": {EVIL: EVIL}})
        for r in made.records
    ]
    again = Report.model_validate(
        made.model_dump() | {"records": [r.model_dump() for r in records]}
    )
    return reports.sealed(again)


def test_the_json_comes_back_as_it_was() -> None:
    for made in (
        report(),
        evil(),
        report(filters=Filters(quick=True), entries=(entry("MAN-001"),)),
    ):
        content = json.loads(as_text(made))
        assert Report.model_validate(content) == made
        assert content["digest"] == digest_of(content) == made.digest


def test_the_digest_is_of_keys_in_any_order() -> None:
    content = json.loads(as_text(report()))
    assert digest_of(dict(reversed(content.items()))) == content["digest"]


def test_another_clause_is_another_suite() -> None:
    assert clauses_digest(CLAUSES) != clauses_digest(CLAUSES[1:])
    assert clauses_digest(CLAUSES) != clauses_digest(CLAUSES[::-1])


def test_a_folder_holds_every_form(tmp_path: Path) -> None:
    write_report(tmp_path / "report", report(), CLAUSES)
    assert {path.name for path in (tmp_path / "report").iterdir()} == set(FILES)


class TestJunit:
    """Against the structure that CI systems read."""

    MADE = report(
        {
            "MAN-001": State.ERROR,
            "MAN-002": State.FAIL,
            "EXP-001 npz": State.UNTESTABLE,
            "RUN-001 gpu": State.NOT_RUN_ON_HARDWARE,
            "RUN-001 numpy": State.FAIL,
            "RUN-002 numpy": State.FAIL,
            "ART-001 npz": State.NOT_APPLICABLE,
        },
        entries=(entry("RUN-002", "numpy"), entry("RUN-003", "gpu"), entry("RUN-003", "numpy")),
    )

    @pytest.mark.parametrize("made", [MADE, report(), evil()], ids=["mixed", "good", "evil"])
    def test_structure(self, made: Report) -> None:
        root = Xml.fromstring(as_junit(made, OF))  # noqa: S314 - our own
        assert root.tag == "testsuites"
        cases = list(root.iter("testcase"))
        assert {(c.get("name"), c.get("time")) for c in cases} == {
            (f"{named(r.clause, r.capability)}: {OF[r.clause].text}", f"{r.seconds:.6f}")
            for r in made.records
        }
        for element in (root, *root):
            for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
                assert element.get(name) == str(len(list(element.iter(tag))))
            assert element.get("skipped") == str(len(list(element.iter("skipped"))))
            assert float(element.get("time") or "")
        for suite in root:
            assert suite.tag == "testsuite"
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp") or "")
            assert {case.tag for case in suite} == {"testcase"}
        for case in cases:
            assert (case.get("classname") or "").startswith("hwcore.acme.")
            assert len(case) <= 1
            assert {inner.tag for inner in case} <= {"failure", "error", "skipped"}
            assert all(inner.get("message") for inner in case)

    def test_what_becomes_of_each_state(self) -> None:
        root = Xml.fromstring(as_junit(self.MADE, OF))  # noqa: S314 - our own
        found = {
            (case.get("name") or "").partition(":")[0]: (case[0].tag, case[0].get("message"))
            if len(case)
            else None
            for case in root.iter("testcase")
        }
        known = "known failure until 2026-06-01: It is being mended."
        stale = "it passes, and is listed as a known failure: It is being mended."
        assert found["MAN-001"] == ("error", "MAN-001 is not so")
        assert found["MAN-002"] == ("skipped", "SHOULD, not kept: MAN-002 is not so")
        assert found["EXP-001 npz"] == ("failure", "EXP-001 is not so")
        assert found["RUN-001 numpy"] == ("failure", "RUN-001 is not so")
        assert found["RUN-001 gpu"] == ("skipped", "not run on hardware")
        assert found["RUN-002 numpy"] == ("skipped", known)
        assert found["RUN-003 gpu"] == ("failure", stale)
        assert found["ART-001 npz"] == ("skipped", "not applicable")
        assert found["QNT-001"] == ("skipped", "not declared")
        assert found["RUN-002 gpu"] is None

    def test_suites_are_topics(self) -> None:
        root = Xml.fromstring(as_junit(report(), OF))  # noqa: S314 - our own
        names = [suite.get("name") for suite in root]
        assert names == ["Manifest", "Devices", "Export", "Quantize", "Run", "Artifacts"]


def test_markdown_tells_what_broke_and_how_to_mend_it() -> None:
    made = report({"RUN-001 numpy": State.FAIL, "MAN-002": State.FAIL})
    text = as_markdown(made, OF)
    assert "❌ **fail**" in text
    assert "| run | ❌ broken |" in text
    assert "### Broken" in text
    assert "| RUN-001 | numpy | RUN-001 is not so | Mend RUN-001. |" in text
    assert "### Not kept, and not required" in text
    assert "✅ **pass**, certified" in as_markdown(report(certified=True), OF)


LOST = {"EXP-001 npz": State.UNTESTABLE, "RUN-001 gpu": State.UNTESTABLE}


def lost(states: Mapping[str, State]) -> Report:
    """A report in which everything that could not be made has one cause."""
    made = report(states)
    records = tuple(
        r.model_copy(update={"message": "the `graph` is gone", "hint": "Look for it."})
        if r.state is State.UNTESTABLE
        else r
        for r in made.records
    )
    return reports.sealed(made, records=records)


def test_what_is_broken_comes_first_and_what_has_one_cause_once() -> None:
    states = {**LOST, "MAN-002": State.FAIL, "ART-001 npz": State.FAIL, "MAN-001": State.ERROR}
    found = findings(lost({**states, "RUN-003 numpy": State.UNTESTABLE}))
    assert [(finding.title, finding.state) for finding in found] == [
        ("ART-001 npz", State.FAIL),
        ("MAN-001", State.ERROR),
        ("2 checks of npz, gpu could not be made", State.UNTESTABLE),
        ("MAN-002", State.FAIL),
        ("RUN-003 numpy", State.UNTESTABLE),
    ]
    assert found[2].hint == "Look for it."
    other = {"RUN-001 gpu": State.UNTESTABLE, "RUN-002 gpu": State.UNTESTABLE}
    assert [finding.title for finding in findings(report(other))] == ["RUN-001 gpu", "RUN-002 gpu"]


def test_a_known_failure_stands_alone_whatever_its_cause() -> None:
    entries = (entry("EXP-001"), entry("RUN-001", "gpu"), entry("MAN-001"))
    found = findings(reports.sealed(lost(LOST), baseline=entries))
    assert [finding.title for finding in found] == ["MAN-001", "EXP-001 npz", "RUN-001 gpu"]


def test_markdown_folds_what_has_one_cause() -> None:
    text = as_markdown(lost({**LOST, "ART-001 npz": State.FAIL}), OF)
    broken = text.partition("### Broken")[2]
    assert broken.index("| ART-001 | npz |") < broken.index("| 2 checks | npz, gpu |")
    assert r"| could not be made: the \`graph\` is gone | Look for it. |" in broken


def test_markdown_stays_markdown_whatever_a_plugin_says() -> None:
    text = as_markdown(evil(), OF)
    assert "<script" not in text.replace("\\<script", "")
    assert "\x1b" not in text
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5)
    assert plain("a|b\n`c`") == r"a\|b \`c\`"


class Page(HTMLParser):
    """What a browser makes of a page, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            v or "" for k, v in attrs if k in ("src", "srcset", "style") or k[:2] == "on"
        ]
        if tag == "link":
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_one_file_and_runs_one_script_whatever_a_plugin_says() -> None:
    page = Page(as_page(evil(), OF))
    assert page.tags.count("script") == 1
    assert page.tags.count("style") == 1
    assert page.fetched == []
    assert "alert(1)" in "".join(page.words)
    assert "\x1b" not in "".join(page.words)


def test_the_page_begins_with_what_is_broken() -> None:
    text = as_page(lost({**LOST, "ART-001 npz": State.FAIL, "MAN-002": State.FAIL}), OF)
    first = text[text.index('<ul class="broken">') : text.index('<div class="levels">')]
    assert re.findall(r'<a class="id" href="#([^"]+)">([^<]+)</a>', first) == [
        ("ART-001-npz", "ART-001 npz"),
        ("EXP-001-npz", "2 checks of npz, gpu could not be made"),
    ]
    for anchor in ("ART-001-npz", "EXP-001-npz"):
        assert f'id="{anchor}"' in text
    for said in (OF["ART-001"].text, "ART-001 is not so", "Mend: Mend ART-001."):
        assert said in first
    assert "the <code>graph</code> is gone" in first
    assert '<ul class="broken">' not in as_page(report(), OF)


def test_a_should_that_fails_is_not_red() -> None:
    text = as_page(report({"MAN-002": State.FAIL, "RUN-001 gpu": State.FAIL}), OF)
    assert '<span class="state half">fail (SHOULD)</span>' in text
    assert '<span class="state bad">fail</span>' in text


def test_many_that_are_broken_are_folded_away() -> None:
    states = {r.clause + " " + r.capability: State.FAIL for r in reports.records()}
    states |= {r.clause: State.FAIL for r in reports.records() if not r.capability}
    text = as_page(report(states), OF)
    musts = sum(r.state is State.FAIL and r.level == "MUST" for r in report(states).records)
    assert f"<summary>{musts - 6} more</summary>" in text


def test_what_stands_between_backticks_is_code() -> None:
    assert rich("`a<b>` & `c") == "<code>a&lt;b&gt;</code> &amp; `c"


def test_the_policy_of_the_page_is_about_this_style_and_this_script() -> None:
    text = as_page(report(), OF)
    policy = re.findall(r'content="(default-src [^"]+)"', text)[0]
    for tag in ("style", "script"):
        [inner] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_says_what_was_checked() -> None:
    words = "".join(Page(as_page(report({"RUN-001 numpy": State.FAIL}), OF)).words)
    for said in (
        "acme 1.0.0",
        "broken: RUN-001 numpy",
        "Whatever RUN-001 is about MUST be so.",
        "Mend: Mend RUN-001.",
        reports.WHEEL.sha256,
        "Acme 1, avx2, 2 cores",
        "seed 7",
        "0.5",
    ):
        assert said in words


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (report(), "core export run ✓"),
        (report({"RUN-001 gpu": State.FAIL}), "broken: run"),
        (report(filters=Filters(quick=True)), "partial"),
        (report({"RUN-001 gpu": State.NOT_RUN_ON_HARDWARE}), "partial: core export ✓"),
        (report(entries=(entry("RUN-001"),)), "baseline out of date"),
    ],
)
def test_the_badge_says_what_is_kept_or_in_the_way(made: Report, says: str) -> None:
    assert message(made) == says
    root = Xml.fromstring(as_badge(made))  # noqa: S314 - our own
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["hwcore conformance", says]


def test_the_statement_is_about_the_wheel() -> None:
    made = report({"RUN-001 gpu": State.FAIL, "MAN-002": State.FAIL})
    text = as_text(made)
    statement = json.loads(as_statement(made, text) or "")
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    wheel = {"name": reports.WHEEL.name, "digest": {"sha256": reports.WHEEL.sha256}}
    assert statement["subject"] == [wheel]
    predicate = statement["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["failedTests"] == ["RUN-001 gpu"]
    assert predicate["warnedTests"] == ["MAN-002"]
    assert "RUN-001 numpy" in predicate["passedTests"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert predicate["configuration"][0] == {"name": "report.json", "digest": {"sha256": digest}}
    nameless = made.model_copy(update={"plugin": made.plugin.model_copy(update={"wheel": None})})
    assert as_statement(nameless, text) is None
