"""From records to levels and a verdict."""

from __future__ import annotations

import pytest
import reports
from hypothesis import given
from hypothesis import strategies as st
from reports import CLAUSES, ROWS

from hwcore_conformance.baseline import Entry
from hwcore_conformance.required import FAMILIES, Filters, checked, family, required
from hwcore_conformance.states import BAD, State
from hwcore_conformance.suite import record_of
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Fate, Outcome, Standing, Verdict, judge, standing


def judged(
    states: dict[str, State] | None = None,
    *,
    filters: Filters | None = None,
    entries: tuple[Entry, ...] = (),
) -> Outcome:
    narrowed = filters or Filters()
    made = reports.records(states, filters=narrowed, entries=entries)
    return judge(checked(CLAUSES), ROWS, narrowed, entries, made)


def test_a_whole_run_that_keeps_all_passes() -> None:
    outcome = judged()
    assert outcome.verdict is Verdict.PASS
    assert outcome.because == ()
    assert outcome.levels == {
        "core": Standing.KEPT,
        "export": Standing.KEPT,
        "quantize": Standing.NOT_DECLARED,
        "sparsify": Standing.NOT_DECLARED,
        "compile": Standing.NOT_DECLARED,
        "run": Standing.KEPT,
    }


@pytest.mark.parametrize("state", sorted(BAD))
def test_a_must_that_is_bad_breaks_its_level_and_no_other(state: State) -> None:
    outcome = judged({"RUN-001 numpy": state})
    assert outcome.verdict is Verdict.FAIL
    assert outcome.levels["run"] is Standing.BROKEN
    assert outcome.levels["core"] is outcome.levels["export"] is Standing.KEPT
    said = "could not be made" if state is State.UNTESTABLE else "broken"
    assert outcome.because == (f"{said}: RUN-001 numpy",)


def test_what_fails_is_named_and_what_could_not_be_made_is_counted() -> None:
    lost = {"MAN-001": State.UNTESTABLE, "EXP-001 npz": State.UNTESTABLE}
    failed = {"RUN-001 gpu": State.ERROR, "ART-001 npz": State.FAIL}
    assert judged({**lost, **failed}).because == (
        "broken: ART-001 npz, RUN-001 gpu; and 2 checks that could not be made",
    )
    assert judged(lost).because == ("could not be made: MAN-001, EXP-001 npz",)


@pytest.mark.parametrize("name", ["MAN-002", "RUN-003 gpu"])
def test_a_should_or_may_breaks_nothing(name: str) -> None:
    assert judged({name: State.FAIL}).verdict is Verdict.PASS


def test_devices_belong_to_the_core() -> None:
    assert judged({"DEV-001": State.FAIL}).levels["core"] is Standing.BROKEN
    assert judged({"DEV-001": State.NOT_DECLARED}).verdict is Verdict.PASS


def test_who_declares_nothing_does_not_pass() -> None:
    """Or an empty manifest would be certified."""
    core = [clause for clause in CLAUSES if clause.scope == "plugin"]
    made = [record_of(clause, None, State.PASS) for clause in core]
    outcome = judge(core, (), Filters(), (), made)
    assert outcome.verdict is Verdict.PARTIAL
    assert outcome.because == ("it declares no capability",)


def test_absent_hardware_is_never_a_pass() -> None:
    gpu = {named(c.id, "gpu"): State.NOT_RUN_ON_HARDWARE for c in CLAUSES if c.scope == "run"}
    outcome = judged(gpu)
    assert outcome.verdict is Verdict.PARTIAL
    assert outcome.levels["run"] is Standing.PARTIAL
    assert outcome.because == ("not run on hardware: RUN-001 gpu, RUN-002 gpu, RUN-003 gpu",)
    numpy = {name.replace("gpu", "numpy"): state for name, state in gpu.items()}
    outcome = judged(gpu | numpy)
    assert outcome.verdict is Verdict.PARTIAL
    assert outcome.levels["run"] is Standing.NOT_RUN_ON_HARDWARE


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (Filters(quick=True), "--quick"),
        (Filters(clauses=("MAN", "EXP")), "--clause MAN --clause EXP"),
        (Filters(families=("bert",)), "--family bert"),
    ],
)
def test_a_filter_makes_it_partial(filters: Filters, says: str) -> None:
    outcome = judged(filters=filters)
    assert outcome.verdict is Verdict.PARTIAL
    assert outcome.because[0] == f"narrowed by {says}"
    assert Standing.KEPT not in outcome.levels.values()


def test_what_a_filter_leaves_out_is_told() -> None:
    assert judged(filters=Filters(quick=True)).because == (
        "narrowed by --quick",
        "of 12 checks these were not made: RUN-002 numpy, RUN-002 gpu",
    )


def test_a_broken_level_outranks_partial() -> None:
    outcome = judged({"MAN-001": State.FAIL}, filters=Filters(quick=True))
    assert outcome.verdict is Verdict.FAIL


class TestFourWays:
    """A known failure is listed or not, and fails or not."""

    LISTED = (reports.entry("RUN-001", "numpy"),)

    def test_listed_and_failing_is_tolerated_and_told(self) -> None:
        outcome = judged({"RUN-001 numpy": State.FAIL}, entries=self.LISTED)
        assert outcome.verdict is Verdict.PARTIAL
        assert outcome.levels["run"] is Standing.PARTIAL
        assert "known failures: RUN-001 numpy" in outcome.because

    def test_listed_and_passing_is_a_failure(self) -> None:
        outcome = judged(entries=self.LISTED)
        assert outcome.verdict is Verdict.FAIL
        assert outcome.because[0] == (
            "listed as known failures, and they pass, remove them: RUN-001 numpy"
        )
        assert Standing.BROKEN not in outcome.levels.values()

    def test_unlisted_and_failing_is_a_failure(self) -> None:
        assert judged({"RUN-001 gpu": State.FAIL}, entries=self.LISTED).verdict is Verdict.FAIL

    def test_unlisted_and_passing_passes(self) -> None:
        assert judged().verdict is Verdict.PASS

    def test_without_a_capability_every_row_has_to_fail(self) -> None:
        listed = (reports.entry("RUN-001"),)
        both = {"RUN-001 numpy": State.FAIL, "RUN-001 gpu": State.ERROR}
        assert judged(both, entries=listed).verdict is Verdict.PARTIAL
        assert judged({"RUN-001 numpy": State.FAIL}, entries=listed).verdict is Verdict.FAIL

    def test_disabled_is_partial(self) -> None:
        outcome = judged(entries=(reports.entry("RUN-001", "gpu", "disabled"),))
        assert outcome.verdict is Verdict.PARTIAL
        assert "disabled: RUN-001 gpu" in outcome.because


def test_a_level_that_nothing_was_found_out_about_is_not_kept() -> None:
    void = {"EXP-001 npz": State.NOT_APPLICABLE, "ART-001 npz": State.NOT_APPLICABLE}
    outcome = judged(void)
    assert outcome.verdict is Verdict.PARTIAL
    assert outcome.because == ("nothing passed at level export",)
    assert standing([], whole=True) is Standing.PARTIAL


def test_a_clause_without_a_check_is_not_required() -> None:
    assert "SAF-001" not in {need.clause for need in required(CLAUSES, ROWS)}


def test_every_check_counts_for_a_level_that_is_declared() -> None:
    of = {clause.id: clause for clause in CLAUSES}
    hooks = {row.id: row.hook for row in ROWS}
    for need in required(CLAUSES, ROWS):
        if need.capability:
            assert family(of[need.clause], hooks[need.capability]) == hooks[need.capability]
    assert family(of["QNT-001"], None) == "quantize"
    assert family(of["ART-001"], None) == family(of["DEV-001"], None) == "core"


NAMES = [named(need.clause, need.capability) for need in required(CLAUSES, ROWS)]


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(State))))
def test_pass_is_said_only_where_every_must_passed_or_had_nothing_to_bite_on(
    states: dict[str, State],
) -> None:
    outcome = judged(states)
    if outcome.verdict is Verdict.PASS:
        harmless = {State.PASS, State.NOT_APPLICABLE, State.NOT_DECLARED}
        musts = {r.state for r in reports.records(states) if r.level == "MUST"}
        assert musts <= harmless
        assert Standing.BROKEN not in outcome.levels.values()
        assert Standing.PARTIAL not in outcome.levels.values()


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(State))))
def test_one_must_that_fails_is_enough(states: dict[str, State]) -> None:
    for record in reports.records():
        if record.level == "MUST":
            name = named(record.clause, record.capability)
            assert judged({**states, name: State.FAIL}).verdict is Verdict.FAIL


@given(st.sets(st.sampled_from(list(Fate))), st.booleans())
def test_standings_of_fates(fates: set[Fate], whole: bool) -> None:
    stands = standing(fates, whole=whole)
    assert (stands is Standing.BROKEN) == (Fate.BROKEN in fates)
    if stands is Standing.KEPT:
        assert whole
        assert fates <= {Fate.KEPT, Fate.TOLD, Fate.VOID}


def test_levels_are_those_of_the_report() -> None:
    assert tuple(judged().levels) == FAMILIES
