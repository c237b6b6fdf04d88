"""DEV: what a plugin says of the hardware that is here."""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
import sys
from typing import Any

from hwcore_conformance.clause import Broken, Clauses, Measured, Untestable
from hwcore_conformance.subject import Subject, names_of

CLAUSES = Clauses()
SECONDS = 1.0
ATTEMPTS = 5
PROBE_SECONDS = 60
HIDDEN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Variables that take the accelerators away."""


@CLAUSES(
    "DEV-001",
    "The hook `devices` MUST answer with a list where there is no hardware, too.",
    scope="devices",
    mend="Catch what the vendor's library raises where its driver is missing; return [].",
)
def answers_without_hardware(subject: Subject) -> Measured:
    """In a process of its own, from which accelerators are hidden."""
    report = _asked(subject.record.entry_point, hidden=True)
    if report["error"]:
        raise Broken(f"without hardware, it {report['error']}")
    return {"devices": len(report["devices"])}


@CLAUSES(
    "DEV-002",
    "The hook `devices` MUST print nothing.",
    scope="devices",
    mend="Silence the vendor's library, in the process and below it: its C code prints, too.",
)
def is_quiet(subject: Subject) -> None:
    """Standard output and standard error of the process, from the import to the answer."""
    printed = _asked(subject.record.entry_point)["printed"]
    if printed:
        raise Broken(f"it prints {printed[:80]!r}")


@CLAUSES(
    "DEV-003",
    "The hook `devices` MUST answer within a second.",
    scope="devices",
    mend="Ask the driver, not the framework: importing that takes most of the time.",
)
def is_quick(subject: Subject) -> Measured:
    """In a fresh process, and if that takes longer in four more: the machine may be busy.

    Importing the plugin is left aside: that has a clause of its own.
    """
    seconds = math.inf
    for attempt in range(ATTEMPTS):
        seconds = min(seconds, _asked(subject.record.entry_point, attempt=attempt)["seconds"])
        if seconds <= SECONDS:
            return {"seconds": seconds}
    raise Broken(f"it takes {seconds:.1f} s")


@CLAUSES(
    "DEV-004",
    "The hook `devices` MUST name each device once, by an id that no other has.",
    scope="devices",
    mend="Number devices of a kind: acme:0, acme:1.",
)
def ids_are_unique(subject: Subject) -> None:
    """Its own, and against the id of the CPU."""
    ids = ["cpu", *(device["id"] for device in _devices(subject))]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise Broken(f"the id {names_of(twice)} is there more than once")


@CLAUSES(
    "DEV-005",
    "The hook `devices` MUST give the same answer each time it is asked.",
    scope="devices",
    mend="Leave out what changes by itself, such as free memory and temperature.",
)
def is_stable(subject: Subject) -> None:
    """Within one process, and in another."""
    first = _asked(subject.record.entry_point)
    second = _asked(subject.record.entry_point, attempt=1)
    for again in (first["again"], second["devices"]):
        if len(again) != len(first["devices"]):
            raise Broken(f"it names {len(first['devices'])} devices, and then {len(again)}")
        for before, after in zip(first["devices"], again, strict=True):
            changed = [name for name in before if before[name] != after[name]]
            if changed:
                raise Broken(
                    f"the device {before['id']} changes its {names_of(changed)} from one question "
                    "to the next"
                )


def _devices(subject: Subject) -> list[dict[str, Any]]:
    report = _asked(subject.record.entry_point)
    if report["error"]:
        raise Untestable(f"it {report['error']}")
    found: list[dict[str, Any]] = report["devices"]
    return found


@functools.cache
def _asked(entry_point: str, *, hidden: bool = False, attempt: int = 0) -> dict[str, Any]:
    environment = {**os.environ, **(dict.fromkeys(HIDDEN, "") if hidden else {})}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hwcore_conformance.probe", entry_point, "devices"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROBE_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise Untestable(f"it takes more than {PROBE_SECONDS} s") from None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Untestable(f"it cannot be asked: {last}")
    report: dict[str, Any] = json.loads(lines[-1])
    return report
