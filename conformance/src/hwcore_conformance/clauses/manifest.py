"""MAN: what is known of a plugin before its code runs, and what loading it costs."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from typing import Any

import importlib_metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hwcore.contract import CONTRACT_VERSION, Capability, PluginError, UserError
from hwcore.host import check_options, missing_requirements
from hwcore.pipeline import bundled_recipes
from hwcore_conformance.clause import Broken, Clauses, Measured, NotApplicable, Untestable
from hwcore_conformance.comparing import agree
from hwcore_conformance.observing import observe
from hwcore_conformance.repeating import artifact_of, repeated
from hwcore_conformance.subject import Subject, copies, names_of
from hwcore_conformance.ways import Step

CLAUSES = Clauses()
IMPORT_SECONDS = 1.0
ATTEMPTS = 5
PROBE_SECONDS = 60


@CLAUSES(
    "MAN-001",
    "A plugin MUST have a manifest that can be read without importing it.",
    mend="Ship hwcore-plugin.toml in the package of the entry point, with the entry point's name.",
)
def has_a_manifest(subject: Subject) -> None:
    """What discovery makes of it, which imports nothing."""
    if not subject.record.usable and subject.record.state != "incompatible":
        raise Broken(f"it is {subject.record.state}: {subject.record.reason}")


@CLAUSES(
    "MAN-002",
    "A plugin's module MUST import none of the libraries that its manifest names.",
    mend="Import the libraries inside the hooks.",
)
def imports_no_library(subject: Subject) -> Measured:
    """Imported in a fresh process; numpy, which hwcore itself brings, does not count."""
    report = _probe(subject)
    owners = importlib_metadata.packages_distributions()
    libraries = {_normal(name) for name in (_manifest(subject).libraries)} - {"numpy"}
    found = [
        module
        for module in report["modules"]
        if libraries & {_normal(owner) for owner in owners.get(module, ())}
    ]
    if found:
        raise Broken(f"importing {subject.record.entry_point} imports {names_of(found)}")
    return {"modules": len(report["modules"])}


@CLAUSES(
    "MAN-003",
    "A plugin's module MUST be imported within one second.",
    mend="Do nothing at import: no device, no file, no network, no heavy module.",
)
def imports_quickly(subject: Subject) -> Measured:
    """In a fresh process, and if that takes longer in four more: the machine may be busy."""
    seconds = math.inf
    for attempt in range(ATTEMPTS):
        seconds = min(seconds, _probe(subject, attempt)["seconds"])
        if seconds <= IMPORT_SECONDS:
            return {"seconds": seconds}
    raise Broken(f"importing {subject.record.entry_point} takes {seconds:.1f} s")


@CLAUSES(
    "MAN-004",
    "A plugin MUST implement exactly the hooks that its manifest declares.",
    mend="Declare a row for each hook that is there, and remove rows of hooks that are not.",
)
def hooks_are_declared(subject: Subject) -> None:
    """Rows against functions marked with hookimpl, both ways."""
    declared, there = set(subject.record.hooks), set(_probe(subject)["hooks"])
    if declared - there:
        raise Broken(f"it declares {names_of(sorted(declared - there))} and does not implement it")
    if there - declared:
        raise Broken(f"it implements {names_of(sorted(there - declared))} and does not declare it")


@CLAUSES(
    "MAN-005",
    "A capability's option schema MUST refuse options that it does not name.",
    mend='Say "additionalProperties": false in the schema.',
)
def options_are_closed(subject: Subject) -> None:
    """An option of a name that nobody would choose, for every row."""
    for row in subject.rows:
        try:
            check_options(subject.record, row.id, {"hwcore-no-such-option": 1})
        except UserError:
            continue
        raise Broken(f"{row.id} takes the option 'hwcore-no-such-option'")


@CLAUSES(
    "MAN-006",
    "A plugin's recipes MUST be readable, and name capabilities that there are.",
    mend="Compare the recipe's steps with the manifest's rows.",
)
def recipes_are_readable(subject: Subject) -> Measured:
    """Every recipe of the wheel, its own steps against its own rows."""
    recipes, bad = bundled_recipes((subject.record,))
    if bad:
        raise Broken(f"recipe {bad[0].name}: {bad[0].reason}")
    ids = {(row.hook, row.id) for row in subject.rows}
    for recipe in recipes:
        for step in recipe.steps:
            if step.plugin != subject.record.name or step.capability is None:
                continue
            if (step.hook, step.capability) not in ids:
                raise Broken(f"recipe {recipe.name} has a step {step.hook} {step.capability}")
    return {"recipes": len(recipes)}


@CLAUSES(
    "MAN-007",
    "A manifest MUST name only libraries that its wheel or its extras bring.",
    mend="Spell them as on PyPI, and list them in dependencies or in an extra.",
)
def libraries_exist(subject: Subject) -> None:
    """Against the metadata of the wheel, and of what it requires."""
    direct = _required(subject.record.distribution)
    brought = direct.union(*(_required(name) for name in direct))
    unknown = [name for name in _manifest(subject).libraries if _normal(name) not in brought]
    if unknown:
        raise Broken(f"nothing brings {names_of(unknown)}")


@CLAUSES(
    "MAN-008",
    "A manifest SHOULD say under which licence each of its libraries comes.",
    mend="Add a line for each to [licences].",
)
def licences_are_said(subject: Subject) -> None:
    """One entry for each library."""
    manifest = _manifest(subject)
    missing = [name for name in manifest.libraries if name not in manifest.licences]
    if missing:
        raise Broken(f"no licence is given for {names_of(missing)}")


@CLAUSES(
    "MAN-009",
    "A capability MUST name only an extra that its wheel has.",
    mend="Add the extra to [project.optional-dependencies], or leave `extra` out of the row.",
)
def extras_exist(subject: Subject) -> None:
    """Against the wheel's own metadata."""
    for row in subject.rows:
        if row.extra is not None:
            try:
                missing_requirements(subject.record, row.extra)
            except PluginError as error:
                raise Broken(f"{row.id}: {error.reason}") from error


@CLAUSES(
    "MAN-010",
    """A plugin's contract range MUST hold the contract's present version, and end before its next
    major one.""",
    mend='Say contract = ">=1,<2": a major version may take away what the plugin uses.',
)
def range_is_bounded(subject: Subject) -> Measured:
    """The range of the manifest, against the version of the installed core."""
    if subject.record.state == "incompatible":
        raise Broken(subject.record.reason)
    given = SpecifierSet(_manifest(subject).contract, prereleases=True)
    following = f"{int(CONTRACT_VERSION.partition('.')[0]) + 1}.0"
    if following in given:
        raise Broken(f"the range {given} holds contract {following}, which nobody knows yet")
    return {"contract": str(given)}


@CLAUSES(
    "MAN-011",
    "Importing a plugin MUST touch no device and no network, and start no process.",
    mend="Do this inside the hooks: listing plugins may import them to complete an error.",
)
def imports_in_silence(subject: Subject) -> None:
    """Files opened below /dev, connections, and programs, in a process that only imports."""
    touched = _probe(subject)["touched"]
    if touched:
        raise Broken(f"importing {subject.record.entry_point} {names_of(touched)}")


@CLAUSES(
    "MAN-012",
    "An option's default in the schema MUST be what the code does without the option.",
    scope="row",
    mend="Generate the schema from the code, and compare both in a test.",
)
def defaults_are_the_codes(subject: Subject, row: Capability) -> Measured:
    """The same work with every default spelt out: files, or answers, must be the same."""
    properties = subject.record.schemas.get(row.id, {}).get("properties", {})
    defaults = {n: s["default"] for n, s in properties.items() if s.get("default") is not None}
    if not defaults:
        raise NotApplicable("it has no option with a default")
    source = subject.one(row)
    if row.hook == "run":
        step, artifact = Step(subject.name, row), subject.taken(row, source)
        expected = subject.answers(step, artifact, source).cases[0]
        steadiness = subject.steadiness(step, artifact, source)
        with subject.open(row, artifact, options=defaults) as model:
            spelt_out = model(copies(source.cases[0].inputs))
        agree(expected, spelt_out, "with its defaults spelt out", steadiness)
    else:
        found = observe(subject, row, source, options=defaults)
        if found.error is not None:
            raise Broken(f"with its defaults spelt out, it raises {found.error}")
        spelt = artifact_of(subject, row, found)
        plain = artifact_of(subject, row, observe(subject, row, source))
        repeated(subject, row, source, plain, spelt, "with its defaults spelt out")
    return {"defaults": defaults}


@CLAUSES(
    "MAN-013",
    "A manifest MUST name each library that its wheel requires, so that its version is recorded.",
    mend="Add it to `libraries`: an upgrade of it then runs the steps again.",
)
def libraries_are_named(subject: Subject) -> None:
    """Requirements of the wheel and of the extras of its rows, but for what hwcore brings."""
    metadata = importlib_metadata.metadata(subject.record.distribution)
    extras = {row.extra for row in subject.rows if row.extra is not None}
    own = {"hwcore", _normal(subject.record.distribution)}  # an extra may ask for other extras
    named = {_normal(name) for name in _manifest(subject).libraries} | own
    brought = map(Requirement, importlib_metadata.requires("hwcore") or ())
    named |= {_normal(requirement.name) for requirement in brought if requirement.marker is None}
    missing = []
    for text in metadata.get_all("Requires-Dist") or ():
        requirement = Requirement(text)
        marker = requirement.marker
        wanted = marker is None or any(marker.evaluate({"extra": e}) for e in {"", *extras})
        if wanted and _normal(requirement.name) not in named:
            missing.append(requirement.name)
    if missing:
        raise Broken(f"its wheel requires {names_of(sorted(missing))}, which it does not name")


@CLAUSES(
    "MAN-014",
    "A manifest SHOULD describe each capability and each option in a sentence.",
    mend="Add `summary` to the row, and `description` to the option's schema.",
)
def is_described(subject: Subject) -> None:
    """Summaries of rows, descriptions of options."""
    silent = [row.id for row in subject.rows if not row.summary]
    for id, schema in subject.record.schemas.items():
        options = schema.get("properties", {}).items()
        silent += [f"{id}.{name}" for name, option in options if not option.get("description")]
    if silent:
        raise Broken(f"nothing is said of {names_of(silent)}")


def _manifest(subject: Subject) -> Any:
    if subject.record.manifest is None:
        raise Untestable("it has no manifest")
    return subject.record.manifest


def _probe(subject: Subject, attempt: int = 0) -> dict[str, Any]:
    return _probed(subject.record.entry_point, attempt)


@functools.cache
def _probed(entry_point: str, attempt: int) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hwcore_conformance.probe", entry_point],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Untestable(f"importing it takes more than {PROBE_SECONDS} s") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Untestable(f"it cannot be imported: {last}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _normal(name: str) -> str:
    """The name of a distribution as PEP 503 has it, of a requirement."""
    for place, character in enumerate(name):
        if not (character.isalnum() or character in "-_."):
            name = name[:place]
            break
    return name.replace("_", "-").replace(".", "-").lower()


def _required(distribution: str) -> set[str]:
    """What a distribution and its extras ask for; nothing, where it is not installed."""
    try:
        return {_normal(text) for text in importlib_metadata.requires(distribution) or ()}
    except importlib_metadata.PackageNotFoundError:
        return set()
