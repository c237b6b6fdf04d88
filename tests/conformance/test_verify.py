"""What is edited, left out or made by another suite is rejected."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import reports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import CLAUSES, report, sealed, write

from hwcore.artifacts import sha256_file
from hwcore.contract import UserError
from hwcore_conformance.installed import Wheel
from hwcore_conformance.report import Report, digest_of
from hwcore_conformance.required import Filters, Required, Row
from hwcore_conformance.states import Record, State
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Standing, Verdict
from hwcore_conformance.verify import Rejected, verify


def rejected(path: Path, says: str, wheel: Path | None = None) -> None:
    with pytest.raises(Rejected) as caught:
        verify(path, clauses=CLAUSES, wheel=wheel)
    assert says in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "made",
    [
        report(),
        report(certified=True),
        report({"RUN-001 numpy": State.FAIL, "MAN-002": State.UNTESTABLE}),
        report(filters=Filters(quick=True, families=("bert",))),
        report(filters=Filters(clauses=("MAN", "RUN-001"))),
        report({"DEV-001": State.NOT_DECLARED, "RUN-001 gpu": State.NOT_RUN_ON_HARDWARE}),
        report(entries=(reports.entry("QNT-001", state="disabled"), reports.entry("MAN-001"))),
    ],
    ids=["whole", "certified", "broken", "quick", "clauses", "hardware", "baseline"],
)
def test_what_a_run_makes_verifies(made: Report, tmp_path: Path) -> None:
    path = write(tmp_path / "report.json", made)
    assert verify(path, clauses=CLAUSES) == made


def test_a_folder_is_its_report(tmp_path: Path) -> None:
    write(tmp_path / "report.json", report())
    assert verify(tmp_path, clauses=CLAUSES) == report()
    (tmp_path / "report.json").unlink()
    with pytest.raises(UserError, match=r"there is no file .*report\.json"):
        verify(tmp_path, clauses=CLAUSES)


def changed(made: Report, place: int, **changes: Any) -> tuple[Record, ...]:
    records = list(made.records)
    records[place] = records[place].model_copy(update=changes)
    return tuple(records)


BROKEN = report({"RUN-001 numpy": State.FAIL})
NAMES = [named(r.clause, r.capability) for r in BROKEN.records]
AT = NAMES.index("RUN-001 numpy")
OTHER = Row(id="numpy", hook="export")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdict": Verdict.PASS}, "says pass, and its records say fail"),
        ({"verdict": Verdict.PARTIAL}, "says partial, and its records say fail"),
        ({"levels": {**BROKEN.levels, "run": Standing.KEPT}}, "its levels are not"),
        ({"because": ()}, "its levels are not"),
        ({"records": changed(BROKEN, AT, state=State.PASS)}, "says fail, and its records say pass"),
        ({"records": changed(BROKEN, AT, state=State.NOT_DECLARED)}, "is NOT_DECLARED, and what"),
        ({"records": changed(BROKEN, AT, state=State.DISABLED)}, "is DISABLED, and the baseline"),
        ({"records": changed(BROKEN, AT, level="MAY")}, "is recorded as MAY, and is a MUST"),
        ({"records": changed(BROKEN, AT, family="core")}, "for level core, and counts for run"),
        ({"records": changed(BROKEN, AT, clause="RUN-009")}, "unknown clauses: RUN-009"),
        ({"records": changed(BROKEN, AT, clause="SAF-001")}, "records are missing: RUN-001 numpy"),
        ({"records": changed(BROKEN, AT, capability="x")}, "records are missing: RUN-001 numpy"),
        (
            {"records": BROKEN.records[:AT] + BROKEN.records[AT + 1 :]},
            "records are missing: RUN-001 numpy",
        ),
        ({"records": (*BROKEN.records, BROKEN.records[0])}, "recorded twice: MAN-001"),
        ({"executed": BROKEN.executed[1:]}, "its list of executed checks"),
        ({"required": BROKEN.required[1:]}, "its list of required checks"),
        ({"required": (*BROKEN.required, Required(clause="X"))}, "its list of required checks"),
        ({"capabilities": BROKEN.capabilities[:2]}, "records that no check asks for: "),
        ({"capabilities": (*BROKEN.capabilities, OTHER)}, "capabilities that are there twice"),
        ({"filters": Filters(quick=True)}, "records that no check asks for: RUN-002"),
        ({"certified": True}, "claims to be certified"),
    ],
)
def test_what_was_edited_is_rejected_though_its_digest_matches(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    rejected(write(tmp_path / "report.json", sealed(BROKEN, **changes)), says)


def test_a_quantize_record_that_passed_for_no_row_is_rejected(tmp_path: Path) -> None:
    at = NAMES.index("QNT-001")
    made = sealed(BROKEN, records=changed(BROKEN, at, state=State.PASS))
    rejected(write(tmp_path / "report.json", made), "QNT-001 is PASS, and no capability is there")


@pytest.mark.parametrize(
    "made",
    [
        report(filters=Filters(quick=True)),
        report(filters=Filters(families=("bert",))),
        report(entries=(reports.entry("RUN-001", state="disabled"),)),
        report(plugin=report().plugin.model_copy(update={"editable": True})),
        report(plugin=report().plugin.model_copy(update={"record_sha256": None})),
    ],
    ids=["quick", "family", "baseline", "editable", "no wheel"],
)
def test_less_than_a_whole_run_cannot_claim_to_be_certified(made: Report, tmp_path: Path) -> None:
    path = write(tmp_path / "report.json", sealed(made, certified=True))
    rejected(path, "claims to be certified")


def test_another_suite_is_named(tmp_path: Path) -> None:
    suite = BROKEN.suite.model_copy(update={"version": "9.9"})
    path = write(tmp_path / "report.json", sealed(BROKEN, suite=suite))
    rejected(path, "was made by hwcore-conformance 9.9, and this is")
    suite = BROKEN.suite.model_copy(update={"clauses_sha256": "0"})
    path = write(tmp_path / "report.json", sealed(BROKEN, suite=suite))
    rejected(path, "with other clauses than this one has")


@pytest.mark.parametrize("version", [0, 2, "1", None, True, [1]])
def test_another_schema_version_says_which_is_known(version: object, tmp_path: Path) -> None:
    content = json.loads(BROKEN.model_dump_json()) | {"schema_version": version}
    content["digest"] = digest_of(content)
    (tmp_path / "report.json").write_text(json.dumps(content))
    rejected(tmp_path / "report.json", "and this suite knows 1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no report"),
        ("{}", "is no report"),
    ],
)
def test_what_is_no_report_is_bad_input(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        verify(path, clauses=CLAUSES)
    with pytest.raises(UserError, match="there is no file"):
        verify(tmp_path / "absent.json", clauses=CLAUSES)


def test_an_unknown_key_is_rejected(tmp_path: Path) -> None:
    content = json.loads(BROKEN.model_dump_json()) | {"note": "\x1b[2J"}
    content["digest"] = digest_of(content)
    (tmp_path / "report.json").write_text(json.dumps(content))
    rejected(tmp_path / "report.json", "is not as a report is: note: ")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a JSON value has something that can be changed."""
    if isinstance(value, dict):
        return [p for key, inner in value.items() for p in _paths(inner, (*path, key))]
    if isinstance(value, list) and value:
        return [p for key, inner in enumerate(value) for p in _paths(inner, (*path, key))]
    return [path]


CONTENT = json.loads(BROKEN.model_dump_json())
OTHERS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([{}]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_paths(CONTENT)), OTHERS)
def test_any_edit_is_rejected(tmp_path: Path, place: tuple[Any, ...], other: Any) -> None:
    content = json.loads(json.dumps(CONTENT))
    inside = content
    for key in place[:-1]:
        inside = inside[key]
    same = json.dumps(inside[place[-1]]) == json.dumps(other)
    inside[place[-1]] = other
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    if same:
        verify(path, clauses=CLAUSES)
    else:
        with pytest.raises(Rejected):
            verify(path, clauses=CLAUSES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(range(len(NAMES))), st.sampled_from(sorted(State))))
def test_edited_states_never_make_a_better_verdict(tmp_path: Path, edits: dict[int, State]) -> None:
    """Even with the digest made anew: the verdict that stands is the records' own."""
    records = list(BROKEN.records)
    for place, state in edits.items():
        records[place] = records[place].model_copy(update={"state": state})
    made = sealed(BROKEN, records=tuple(records), verdict=Verdict.PASS, because=())
    path = write(tmp_path / "report.json", made)
    try:
        verify(path, clauses=CLAUSES)
    except Rejected:
        return
    musts = {r.state for r in records if r.level == "MUST"}
    assert musts <= {State.PASS, State.NOT_APPLICABLE, State.NOT_DECLARED}


INFO = "acme_hwcore-1.0.0.dist-info"


class TestWheel:
    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        path = tmp_path / reports.WHEEL.name
        self.build(path, reports.ROWS)
        return path

    def build(self, path: Path, rows: tuple[Row, ...], **metadata: str) -> None:
        said = {"Name": "acme-hwcore", "Version": "1.0.0"} | metadata
        manifest = "".join(
            f'[[capabilities]]\nid = "{row.id}"\nhook = "{row.hook}"\nsummary = "{row.summary}"\n'
            for row in rows
        )
        files = {
            "acme_hwcore/hwcore-plugin.toml": manifest,
            f"{INFO}/METADATA": "".join(f"{key}: {value}\n" for key, value in said.items()),
            f"{INFO}/entry_points.txt": "[hwcore.plugins]\nacme = acme_hwcore.plugin\n",
        }
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)

    def written(
        self, tmp_path: Path, wheel: Path, *, known: bool = True, **changes: object
    ) -> Path:
        mine = Wheel(name=wheel.name, sha256=sha256_file(wheel)) if known else None
        plugin = BROKEN.plugin.model_copy(update={"wheel": mine, **changes})
        return write(tmp_path / "report.json", sealed(BROKEN, plugin=plugin))

    def test_of_this_wheel(self, tmp_path: Path, wheel: Path) -> None:
        verify(self.written(tmp_path, wheel), clauses=CLAUSES, wheel=wheel)

    def test_of_another(self, tmp_path: Path, wheel: Path) -> None:
        path = self.written(tmp_path, wheel)
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("more", "")
        rejected(path, f"is about another wheel: {wheel.name}", wheel)

    def test_of_none(self, tmp_path: Path, wheel: Path) -> None:
        path = self.written(tmp_path, wheel, known=False)
        rejected(path, "does not say which wheel", wheel)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"version": "9.9"}, "is about version 9.9, and {wheel} has 1.0.0"),
            ({"distribution": "zeta"}, "about the distribution zeta, and {wheel} has acme-hwcore"),
            ({"name": "zeta"}, "is about the plugin zeta, and {wheel} has acme"),
        ],
        ids=["version", "distribution", "plugin"],
    )
    def test_that_says_something_else_of_itself(
        self, tmp_path: Path, wheel: Path, changes: dict[str, str], says: str
    ) -> None:
        rejected(self.written(tmp_path, wheel, **changes), says.format(wheel=wheel.name), wheel)

    def test_of_another_name(self, tmp_path: Path, wheel: Path) -> None:
        path = self.written(tmp_path, wheel)
        other = wheel.rename(wheel.with_name("acme_hwcore-9.9-py3-none-any.whl"))
        rejected(path, f"is about another wheel: {wheel.name}", other)

    @pytest.mark.parametrize(
        "rows",
        [reports.ROWS[:1], tuple(row.model_copy(update={"summary": "x"}) for row in reports.ROWS)],
        ids=["fewer", "another summary"],
    )
    def test_with_other_rows(self, tmp_path: Path, wheel: Path, rows: tuple[Row, ...]) -> None:
        self.build(wheel, rows)
        path = self.written(tmp_path, wheel)
        rejected(path, "has other capabilities than the manifest in", wheel)

    def test_without_metadata(self, tmp_path: Path, wheel: Path) -> None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("acme_hwcore/hwcore-plugin.toml", "")
        with pytest.raises(UserError, match="has no metadata"):
            verify(self.written(tmp_path, wheel), clauses=CLAUSES, wheel=wheel)

    @pytest.mark.parametrize("name", ["absent-1.0.0-py3-none-any.whl", "report.json", "no.whl"])
    def test_that_is_none(self, tmp_path: Path, wheel: Path, name: str) -> None:
        path = self.written(tmp_path, wheel)
        (tmp_path / "no.whl").write_text("x")
        with pytest.raises(UserError):
            verify(path, clauses=CLAUSES, wheel=tmp_path / name)
