"""SAF: what a plugin leaves alone."""

from __future__ import annotations

import contextlib
import json
import pickletools
import zipfile
from pathlib import Path

import importlib_metadata
from packaging.requirements import Requirement

from hwcore.contract import Capability
from hwcore_conformance.clause import Broken, Clauses, NotApplicable, Untestable
from hwcore_conformance.observing import observe, observed
from hwcore_conformance.subject import Subject, names_of

CLAUSES = Clauses()

SENDERS = frozenset(
    {
        "huggingface-hub",
        "neural-compressor",
        "nncf",
        "onnxruntime",
        "openvino",
        "openvino-telemetry",
        "posthog",
        "ray",
        "scarf",
        "transformers",
        "wandb",
    }
)
"""Distributions that send something home, or write down an id for it, unless they are told not to.
"""
NOTHING = frozenset({"", "-", "n/a", "no", "none", "nothing"})
CODE = "modeling_hwcore_conformance.py"
MARKER = "ran.txt"
FEW = 5
"""Opcodes that are no chance any more."""


@CLAUSES(
    "SAF-001",
    "An artifact MUST hold no pickle.",
    scope="work",
    mend="Store arrays with numpy.savez, safetensors or the format's own writer, never objects.",
)
def holds_no_pickle(subject: Subject, row: Capability) -> None:
    """Pickle streams, arrays of objects, and archives that have either in them."""
    found = observed(subject, row)
    for name in found.files:
        inside = _pickle_in(found.out / name)
        if inside:
            raise Broken(f"{name} holds {inside}")


@CLAUSES(
    "SAF-002",
    "A capability MUST write nowhere but into `out`, and leave nothing in temporary folders.",
    scope="row",
    mend="Give libraries a cache folder below `out` or tempfile's, and remove it.",
)
def writes_into_out_only(subject: Subject, row: Capability) -> None:
    """What Python code opens for writing; what is new in home, temporary and current folder."""
    found = observed(subject, row)
    own = (str(found.source.artifact.path), str(subject.taken(row, found.source).root))
    written = [p for p in sorted(found.seen.written) if not p.startswith(own) and _lasting(p)]
    places = [*found.seen.left, *written]
    if places:
        raise Broken(f"it writes {_place(subject, places[0])}")


@CLAUSES(
    "SAF-003",
    "A capability MUST NOT use the network.",
    scope="row",
    mend="Read what is in the source, and switch the libraries' downloads and telemetry off.",
)
def stays_off_the_network(subject: Subject, row: Capability) -> None:
    """Names that Python code looks up, and addresses it connects or sends to, in the first call
    and in a later one."""
    later = observed(subject, row)  # which makes the first call, where none was
    connections = [*subject.first(row).connections, *later.seen.connections]
    if connections:
        raise Broken(f"it talks to {names_of(list(dict.fromkeys(connections)))}")


@CLAUSES(
    "SAF-004",
    "A capability MUST leave the settings of its process as it found them.",
    scope="row",
    mend="Put back what a library changes: environment, folder, streams, signals, locale, logging.",
)
def leaves_settings_alone(subject: Subject, row: Capability) -> None:
    """Settings before and after the first call, and a later one.

    Variables of libraries' own may be set, where they were not.
    """
    later = observed(subject, row)  # which makes the first call, where none was
    settings = [*subject.first(row).settings, *later.seen.settings]
    if settings:
        raise Broken(f"it changes {names_of(list(dict.fromkeys(settings)))}")


@CLAUSES(
    "SAF-005",
    "A manifest MUST say what its libraries would send home, and how the plugin stops them.",
    mend="Say it in `telemetry`, and switch it off in `[environment]` and in code.",
)
def telemetry_is_told(subject: Subject) -> None:
    """Libraries that are known to send, against the key `telemetry`."""
    manifest = subject.record.manifest
    if manifest is None:
        raise Untestable("it has no manifest")
    names = {name.lower().replace("_", "-") for name in manifest.libraries}
    metadata = importlib_metadata.metadata(subject.record.distribution)
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist") or ()]
    names |= {r.name.lower().replace("_", "-") for r in required if r.marker is None}
    senders = sorted(names & SENDERS)
    if senders and manifest.telemetry.strip().lower() in NOTHING:
        raise Broken(f"it uses {names_of(senders)}, and says that nothing would be sent")


@CLAUSES(
    "SAF-006",
    "A capability MUST NOT run code that comes with a model.",
    scope="row",
    mend="Never set trust_remote_code: hwcore asks the user, and passes on what was allowed.",
)
def runs_no_foreign_code(subject: Subject, row: Capability) -> None:
    """A model folder with a module that leaves a mark when it runs, and a config that names it."""
    if "transformers" not in {pattern.format for pattern in row.inputs}:
        raise NotApplicable("it takes no folder of transformers")
    source = subject.copy_of(subject.one(row), "with-code")
    home = source.artifact.root
    marker = home / MARKER
    (home / CODE).write_text(f"open({str(marker)!r}, 'w').write('run')\nraise SystemExit\n")
    config = json.loads((home / "config.json").read_text("utf-8"))
    classes = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
    module = CODE.removesuffix(".py")
    config["auto_map"] = dict.fromkeys(classes, f"{module}.Foreign")
    (home / "config.json").write_text(json.dumps(config), "utf-8")
    observe(subject, row, source, artifact=source.artifact)
    if marker.exists():
        raise Broken(f"it ran {CODE}, which came with the model")


def _lasting(path: str) -> bool:
    """False for the compiled modules that Python itself leaves."""
    return "__pycache__" not in path


def _place(subject: Subject, path: str) -> str:
    """A path for a report that others read: the suite's own folders by their role."""
    for name, what in (("home", "~"), ("tmp", "the temporary folder"), ("here", ".")):
        folder = str(subject.workspace / name)
        if path.startswith(folder):
            return what + path.removeprefix(folder)
    return path


def _pickle_in(path: Path) -> str:
    """What in a file is a pickle, in words; empty when nothing is."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as stream:
                    if _is_pickle(stream.read(256)):
                        return f"a pickle, {name}"
        return ""
    with path.open("rb") as stream:
        return "a pickle" if _is_pickle(stream.read(256)) else ""


def _is_pickle(head: bytes) -> bool:
    """A stream of protocol 2 and later begins with its number; numpy says so in its header.

    Weights may begin with the same two bytes by chance: what follows must be opcodes, too.
    """
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        read: list[str] = []
        with contextlib.suppress(Exception):  # cut off, or no opcode: every kind there is
            read.extend(code.name for code, _, _ in pickletools.genops(head))
        return len(read) >= FEW or "STOP" in read
    return head.startswith(b"\x93NUMPY") and b"'|O'" in head
