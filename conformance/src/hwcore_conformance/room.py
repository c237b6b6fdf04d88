"""The process that checks run in, and the plugin with them. A warden starts it.

Requests come and answers go as JSON lines over two pipes, a request's word in each of its
answers; what a plugin prints goes elsewhere,
whatever it makes of ``sys.stdout``. One that ends, hangs or breaks this process has not reached
the suite.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwcore.contract import Capability, HwcoreError
from hwcore_conformance.clause import Broken, Clause, NotApplicable, Untestable
from hwcore_conformance.clauses import ALL
from hwcore_conformance.restoring import Beginning
from hwcore_conformance.states import State
from hwcore_conformance.subject import Settings, Subject
from hwcore_conformance.text import clean


def outcome(clause: Clause, subject: Subject, row: Capability | None) -> dict[str, Any]:
    """Check one clause; whatever the plugin does becomes fields of a record."""
    try:
        if row is not None and subject.target(row) is None:
            needs = " or ".join(need.kind for need in row.targets)
            return {"state": State.NOT_RUN_ON_HARDWARE, "message": f"no {needs} is here"}
        assert clause.check is not None  # noqa: S101 - nobody asks for one without
        check: Callable[..., Any] = clause.check
        measured = check(subject) if row is None else check(subject, row)
    except Broken as broken:
        hint = broken.hint or clause.mend
        return {"state": State.FAIL, "message": clean(broken.message), "hint": clean(hint)}
    except Untestable as reason:
        return {"state": State.UNTESTABLE, "message": clean(str(reason))}
    except HwcoreError as error:  # a check that is about errors looks at them itself
        message, hint = clean(str(error)), clean(error.hint or "")
        return {"state": State.UNTESTABLE, "message": message, "hint": hint}
    except NotApplicable as reason:
        return {"state": State.NOT_APPLICABLE, "message": clean(str(reason))}
    except Exception:  # whatever it is, it is not a verdict on the plugin
        return {
            "state": State.ERROR,
            "message": clean(traceback.format_exc(limit=-6)),
            "hint": "This is a bug of the suite: please report it.",
        }
    return {"state": State.PASS, "measured": measured or {}}


def main(requests: int, answers: int, settings: str) -> None:
    """Answer requests until there are no more. The numbers are file descriptors."""
    beginning = Beginning()
    out = os.fdopen(answers, "wb")
    word = ""

    def tell(**what: Any) -> None:
        out.write((json.dumps({"word": word, **what}) + "\n").encode())
        out.flush()

    def beat(what: str) -> None:
        tell(beat=what)

    given = json.loads(settings)
    for name in ("workspace", "models"):
        given[name] = Path(given[name])
    given["families"] = tuple(given["families"])
    clauses = {clause.id: clause for clause in ALL}
    with Subject(Settings(**given), beat) as subject, os.fdopen(requests) as lines:
        rows = {row.id: row for row in subject.rows}
        last = None
        for line in lines:
            request = json.loads(line)
            word = request["word"]
            row = rows.get(request["capability"])
            beginning.restore()
            if row is not last:
                subject.forget_models()
                last = row
            began = time.monotonic()
            found = outcome(clauses[request["clause"]], subject, row)
            tell(outcome={**found, "seconds": time.monotonic() - began})
