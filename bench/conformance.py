"""What the conformance suite promises: killers, certified plugins, times, the same verdict again.

``python -m bench.conformance [--runs N]`` measures this group alone; with ``--runs`` it checks
each plugin N times more, quickly, each time with another seed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import operators
from bench.rows import Row, show, write_results
from bench.wheels import build, install, lend

ROOT = Path(__file__).resolve().parent.parent
HOME = Path("build/bench/conformance")
REPORTS = HOME / "reports"
PLUGINS = ("torch", "onnxruntime", "openvino")
SCAFFOLD = "nova"
GROUP = "conformance"
COMMAND = "python -m bench.conformance"


def rows(runs: int = 0) -> list[Row]:
    """Everything but the kill matrix itself, which is a test."""
    began = time.monotonic()
    scaffold = _scaffold()
    scaffolded = time.monotonic() - began
    bin_ = _environment()
    found = [_killers(), _levels(SCAFFOLD, scaffold)]
    found.append(
        Row("hwcore new-plugin to certified from the wheel", GROUP, scaffolded, "s", "<= 120",
            COMMAND, "environment and wheels of this repository included")
    )  # fmt: skip
    for plugin in PLUGINS:
        report, seconds = _certify(bin_, plugin)
        found.append(_levels(plugin, report))
        found.append(Row(f"full run of {plugin}", GROUP, seconds, "s", "<= 600", COMMAND))
        _, seconds = _checked(bin_, plugin, "--quick")
        found.append(Row(f"quick run of {plugin}", GROUP, seconds, "s", "<= 120", COMMAND))
    found += operators.rows()
    if runs:
        found += [_again(bin_, plugin, runs) for plugin in (*PLUGINS, SCAFFOLD)]
    return found


def _killers() -> Row:
    listed = json.loads(_hwcore(Path(sys.executable).parent, "conformance", "list", "--json"))
    without = [clause["id"] for clause in listed if not clause["killers"]]
    note = f"of {len(listed)}; `tests/conformance/test_kill_matrix.py` enforces them"
    return Row("clauses without a killer", GROUP, len(without), "clauses", "<= 0", COMMAND, note)


def _levels(plugin: str, report: dict[str, Any]) -> Row:
    """Certified or not; which levels, and how many checks."""
    states = Counter(record["state"] for record in report["records"])
    kept = [name for name, level in report["levels"].items() if level == "kept"]
    note = f"{', '.join(kept)} kept; " + ", ".join(f"{n} {s}" for s, n in sorted(states.items()))
    value = int(report["certified"])
    return Row(f"{plugin} is certified", GROUP, value, "", ">= 1", COMMAND, note)


def _scaffold() -> dict[str, Any]:
    """Everything that a vendor's CI does, with wheels of this repository for the registry's."""
    folder = HOME / SCAFFOLD
    _remove(folder)
    _hwcore(Path(sys.executable).parent, "new-plugin", SCAFFOLD, "--out", str(folder))
    wheels = HOME / "wheels"
    _remove(wheels)
    for part in ("core", "conformance", *(f"plugins/{name}" for name in PLUGINS)):
        build(ROOT / part, wheels.absolute())
    lend(folder / "build" / "venv")
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "PIP_FIND_LINKS": str(wheels.absolute()),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads the variable as the option's value
    }
    script = ROOT / "conformance" / "ci" / "conformance.sh"
    done = subprocess.run([script, SCAFFOLD, folder], env=environment, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"conformance.sh left with {done.returncode}")
    return _report(folder / "report")


def _environment() -> Path:
    """One with the wheels of this repository and of the scaffold; its ``bin``."""
    venv = HOME / "venv"
    _remove(venv)
    found = lend(venv)
    install(venv, [*(HOME / "wheels").glob("*.whl"), *(HOME / SCAFFOLD / "dist").glob("*.whl")])
    return found


def _certify(bin_: Path, plugin: str) -> tuple[dict[str, Any], float]:
    [wheel] = (HOME / "wheels").glob(f"core_plugin_{plugin}-*.whl")
    return _checked(bin_, plugin, "--certified", "--wheel", str(wheel.absolute()))


def _checked(bin_: Path, plugin: str, *options: str) -> tuple[dict[str, Any], float]:
    """A report, and the seconds that it took."""
    out = (REPORTS / f"{plugin}{''.join(options[:1])}").absolute()
    _remove(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _hwcore(bin_, "conformance", "run", plugin, *options, "--out", str(out))
    return _report(out), time.monotonic() - began


def _again(bin_: Path, plugin: str, runs: int) -> Row:
    """Verdicts of many runs that differ from the first; each run draws a seed of its own."""
    verdicts = []
    for _ in range(runs):
        report, _ = _checked(bin_, plugin, "--quick")
        verdicts.append({(r["clause"], r["capability"]): r["state"] for r in report["records"]})
    different = sum(verdict != verdicts[0] for verdict in verdicts)
    name = f"quick runs of {plugin} with another state of any check, of {runs}"
    return Row(name, GROUP, different, "runs", "<= 0", f"{COMMAND} --runs {runs}")


def _hwcore(bin_: Path, *arguments: str) -> str:
    """Run the command; a clause that is broken is in the report, anything else ends this."""
    done = subprocess.run(
        [bin_ / "hwcore", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"hwcore {' '.join(arguments)} left with {done.returncode}")
    return done.stdout


def _report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return found


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=not folder.exists())


def main() -> None:
    """Measure the group, write and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=0)
    found = rows(parser.parse_args().runs)
    write_results(found)
    show(found)
    sys.exit(0 if all(row.ok for row in found) else 1)


if __name__ == "__main__":
    main()
