"""A report: all that a run came to, as one JSON value that can be held against itself."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue

from hwcore import __version__ as core_version
from hwcore.artifacts import sha256_json
from hwcore.contract import CONTRACT_VERSION, Target, Value
from hwcore.host import PluginRecord, installed_version, local_cpu
from hwcore_conformance.baseline import Entry, entry_for
from hwcore_conformance.clause import Clause
from hwcore_conformance.installed import Wheel, installed
from hwcore_conformance.required import Family, Filters, Required, Row, required
from hwcore_conformance.states import Record, Said
from hwcore_conformance.text import clean, many
from hwcore_conformance.verdict import Fate, Outcome, Standing, Verdict, fate

SCHEMA_VERSION: Final = 1
SUITE: Final = "hwcore-conformance"

_COMMON = frozenset({"avx2", "avx512f", "vnni"})
"""Features that say little beside any other."""


class Plugin(Value):
    """What was checked."""

    name: Said
    distribution: Said
    """The wheel's own name, as pip knows it."""
    version: Said
    editable: bool
    """True where it was installed with ``pip install -e``: its files could change meanwhile."""
    wheel: Wheel | None = None
    """The wheel that was named with ``--wheel``, and found to be what is installed."""
    record_sha256: Said | None = None
    """Digest of the installed ``RECORD``; ``None`` where it was not installed from a wheel."""


class Suite(Value):
    """What it was checked with."""

    version: Said
    """Version of ``hwcore-conformance``."""
    clauses_sha256: Said
    """Digest of the clauses: ids, sentences, scopes and all else that decides what is asked."""
    core: Said
    """Version of ``hwcore``."""
    contract: Said
    """Version of the plugin contract."""


def _cleaned(target: Target) -> Target:
    words = {"kind": clean(target.kind), "vendor": clean(target.vendor)}
    return target.model_copy(update=words | {"features": tuple(map(clean, target.features))})


class Machine(Value):
    """What it was checked on."""

    system: Said
    name: Said
    """Of the processor, for people."""
    target: Annotated[Target, AfterValidator(_cleaned)]
    fingerprint: Said
    """16 hex digits over kind, vendor and instruction sets."""

    @property
    def summary(self) -> str:
        """The machine in a line: its name, what decides how fast models are on it, its cores."""
        target = self.target
        telling = [name for name in target.features if name not in _COMMON]
        name = self.name or f"{target.vendor} {target.kind}".strip()
        return ", ".join([name, *(telling or target.features), many(target.cores, "core")])


class Report(Value):
    """``report.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    plugin: Plugin
    suite: Suite
    machine: Machine
    python: Said
    libraries: dict[Said, Said]
    """Installed versions of the libraries that the plugin's manifest names."""
    seed: int
    """Of weights and inputs: ``--seed`` repeats the run."""
    started: datetime.datetime
    """In UTC."""
    seconds: float = Field(ge=0)
    filters: Filters
    baseline: tuple[Entry, ...]
    """Entries of the baseline file."""
    capabilities: tuple[Row, ...]
    """Rows of the plugin's manifest."""
    required: tuple[Required, ...]
    """Every check that a full run of this suite makes on these rows."""
    executed: tuple[Required, ...]
    """Those that were made."""
    records: tuple[Record, ...]
    """What came of each."""
    levels: dict[Family, Standing]
    verdict: Verdict
    because: tuple[Said, ...]
    """Why the verdict is not ``pass``."""
    certified: bool
    """True for a run with ``--certified`` whose verdict is ``pass``."""
    digest: str = ""
    """sha256 over this value as JSON without ``digest``, keys sorted, no spaces."""


def clauses_digest(clauses: Sequence[Clause]) -> str:
    """What tells the clauses of one suite from another's."""
    rows: list[JsonValue] = [
        [c.id, c.text, c.scope, c.since, c.slow, c.check is not None] for c in clauses
    ]
    return sha256_json(rows)


def suite_of(clauses: Sequence[Clause]) -> Suite:
    """This suite."""
    return Suite(
        version=installed_version(SUITE) or "unknown",
        clauses_sha256=clauses_digest(clauses),
        core=core_version,
        contract=CONTRACT_VERSION,
    )


def report_of(
    record: PluginRecord,
    *,
    clauses: Sequence[Clause],
    wheel: Wheel | None,
    seed: int,
    started: datetime.datetime,
    seconds: float,
    filters: Filters,
    entries: Sequence[Entry],
    records: Sequence[Record],
    outcome: Outcome,
    certified: bool,
) -> Report:
    """Put a report together, with its digest."""
    here, cpu, rows = installed(record), local_cpu(), rows_of_record(record)
    target = Target.of(cpu)
    report = Report(
        plugin=Plugin(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            editable=here.editable,
            wheel=wheel,
            record_sha256=here.record_sha256,
        ),
        suite=suite_of(clauses),
        machine=Machine(
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            name=cpu.name,
            target=target,
            fingerprint=target.fingerprint,
        ),
        python=platform.python_version(),
        libraries=record.library_versions(),
        seed=seed,
        started=started,
        seconds=round(seconds, 3),
        filters=filters,
        baseline=tuple(entries),
        capabilities=rows,
        required=required(clauses, rows),
        executed=tuple(Required(clause=r.clause, capability=r.capability) for r in records),
        records=tuple(records),
        levels=outcome.levels,
        verdict=outcome.verdict,
        because=outcome.because,
        certified=certified and outcome.verdict is Verdict.PASS,
    )
    return report.model_copy(update={"digest": digest_of(json.loads(report.model_dump_json()))})


def entry_of(report: Report, record: Record) -> Entry | None:
    """The entry of the report's baseline that is about a record."""
    return entry_for(report.baseline, record.clause, record.capability)


def fate_of(report: Report, record: Record) -> Fate:
    """What came of a record's check, with the baseline in view."""
    return fate(record, entry_of(report, record))


def rows_of_record(record: PluginRecord) -> tuple[Row, ...]:
    """The capabilities of an installed plugin."""
    return tuple(Row(id=row.id, hook=row.hook, summary=row.summary) for row in record.capabilities)


def digest_of(content: dict[str, Any]) -> str:
    """The digest that belongs into a report with this content."""
    return sha256_json({key: value for key, value in content.items() if key != "digest"})


def as_text(report: Report) -> str:
    """``report.json``."""
    return report.model_dump_json(indent=1) + "\n"
