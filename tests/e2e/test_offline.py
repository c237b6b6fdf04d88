"""Nothing of ours, and nothing of a vendor's, reaches for the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from command import Command
from optimizing import DROP, QUICK

GUARD = Path(__file__).parent / "guard"

SWITCHES = {
    "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "NNCF_CI", "TF_BUILD", "CI",
    "ORT_DISABLE_TELEMETRY",
}  # fmt: skip
"""Variables that would keep a library quiet, which a user has not set."""

ATTEMPT = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)\n"
    "try: s.connect(('192.0.2.1', 9))\n"  # TEST-NET-1 of RFC 5737: nobody's
    "except OSError: pass\n"
)


@dataclass(frozen=True)
class Offline:
    """An optimize without a network: what the guards and the kernel saw of it."""

    code: int
    said: str
    log: list[str]
    counters: dict[str, int]
    home: Path

    @property
    def attempts(self) -> list[str]:
        return [line for line in self.log if " started " not in f"{line} "]


@dataclass(frozen=True)
class Namespace:
    """Runs a command where there is no network but the kernel's own counters of one."""

    counters: Path
    prefix: tuple[str, ...] = field(default=())

    def run(self, command: Iterable[str], environment: dict[str, str]) -> tuple[int, str]:
        """Its exit code, and all that it printed."""
        script = '"$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 > "$COUNTERS"; exit $code'
        done = subprocess.run(
            [*self.prefix, "/bin/sh", "-c", script, "sh", *command],
            env={**environment, "COUNTERS": str(self.counters)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def read(self) -> dict[str, int]:
        """What would have left this machine: packets, and attempts that found no route."""
        lines = [line.split() for line in self.counters.read_text().splitlines()]
        found = {line[0]: int(line[1]) for line in lines if len(line) == 2}
        for names, values in pairwise(lines):  # of IPv4: a line of names, then one of values
            if names[0] == values[0] and not names[1].isdecimal():
                found |= {names[0] + n: int(v) for n, v in zip(names[1:], values[1:], strict=True)}
        wanted = (
            "Ip:OutRequests", "Ip:OutNoRoutes", "Tcp:ActiveOpens", "Udp:OutDatagrams",
            "Ip6OutNoRoutes", "Udp6OutDatagrams",
        )  # fmt: skip
        return {name: found[name] for name in wanted}


@pytest.fixture(scope="module")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """A network namespace of its own, with nothing in it."""
    counters = tmp_path_factory.mktemp("namespace") / "counters"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare(1) of Linux to block the network")
    prefix = (unshare, "--net")
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to make a network namespace: {done.stderr.strip()}")
    return Namespace(counters, prefix)


@pytest.fixture(scope="module")
def offline(
    namespace: Namespace, bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> Offline:
    """An export, a quantization and a run by each engine, without a network."""
    work = tmp_path_factory.mktemp("offline")
    home = work / "home"
    home.mkdir()
    log = work / "log"
    hwcore = Command(work / "cache", {"HOME": str(home), "GUARD_LOG": str(log)}, plugins=(GUARD,))
    recipes = ("--recipe", "onnxruntime-int8-dynamic", "--recipe", "openvino-int8")
    arguments = ("optimize", bert, "--data", reviews, *recipes, *DROP, *QUICK)
    environment = {k: v for k, v in hwcore.variables.items() if k not in SWITCHES}
    code, said = namespace.run(
        [sys.executable, "-m", "hwcore", *map(str, arguments), "--out", str(work / "out")],
        environment,
    )
    return Offline(code, said, log.read_text().splitlines(), namespace.read(), home)


def test_it_succeeds(offline: Offline) -> None:
    assert offline.code == 0, offline.said
    assert "failed" not in offline.said


def test_every_process_was_guarded(offline: Offline) -> None:
    started = [line for line in offline.log if line.split(maxsplit=2)[1] == "started"]
    assert sum("-m hwcore optimize" in line for line in started) == 1
    assert sum("supervisor.py" in line for line in started) >= 6, "workers were not guarded"


def test_no_python_code_tried(offline: Offline) -> None:
    assert offline.attempts == []


def test_nothing_else_tried_either(offline: Offline) -> None:
    """Libraries in C++ do not pass through the guard, but through the kernel."""
    assert set(offline.counters.values()) == {0}, offline.counters


def test_no_vendor_left_an_id_in_the_home_folder(offline: Offline) -> None:
    assert not (offline.home / "intel").exists(), "OpenVINO did"
    assert not (offline.home / ".cache" / "Microsoft").exists(), "ONNX Runtime did"


class TestTheGuards:
    """They would have noticed."""

    def test_an_attempt_of_python_is_written_down(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        environment = {**os.environ, "PYTHONPATH": str(GUARD), "GUARD_LOG": str(log)}
        for code in (ATTEMPT, "import socket; socket.getaddrinfo('example.org', 443)"):
            subprocess.run(
                [sys.executable, "-c", code], env=environment, check=False, capture_output=True
            )
        text = log.read_text()
        assert "socket.connect (('192.0.2.1', 9),)" in text
        assert "socket.getaddrinfo (443" in text

    def test_an_attempt_of_anything_is_counted(self, namespace: Namespace) -> None:
        namespace.run([sys.executable, "-c", ATTEMPT], dict(os.environ))
        assert namespace.read()["Ip:OutNoRoutes"] >= 1
