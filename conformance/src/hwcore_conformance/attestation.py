"""A report as an in-toto statement about the wheel, for a CI to sign.

Statement: https://in-toto.io/Statement/v1. Predicate: https://in-toto.io/attestation/test-result,
version 0.1.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hwcore_conformance.report import SUITE, Report, fate_of
from hwcore_conformance.text import named
from hwcore_conformance.verdict import Fate, Verdict

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"

_RESULTS = {Verdict.PASS: "PASSED", Verdict.PARTIAL: "WARNED", Verdict.FAIL: "FAILED"}
_LISTS = {
    "passedTests": {Fate.KEPT},
    "warnedTests": {Fate.TOLD, Fate.KNOWN},
    "failedTests": {Fate.BROKEN, Fate.STALE},
}


def as_statement(report: Report, text: str) -> str | None:
    """The statement; ``None`` where the wheel is not known, for there is nothing to speak about.

    ``text`` is the content of ``report.json``, which the statement names by digest.
    """
    wheel = report.plugin.wheel
    if wheel is None:
        return None
    tests: dict[str, list[str]] = {name: [] for name in _LISTS}
    for record in report.records:
        for name, fates in _LISTS.items():
            if fate_of(report, record) in fates:
                tests[name].append(named(record.clause, record.capability))
    statement: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": wheel.name, "digest": {"sha256": wheel.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "result": _RESULTS[report.verdict],
            "configuration": [
                {
                    "name": "report.json",
                    "digest": {"sha256": hashlib.sha256(text.encode()).hexdigest()},
                },
                {"name": SUITE, "uri": f"pkg:pypi/{SUITE}@{report.suite.version}"},
                {"name": "hwcore", "uri": f"pkg:pypi/hwcore@{report.suite.core}"},
            ],
            **tests,
        },
    }
    return json.dumps(statement, indent=1) + "\n"
