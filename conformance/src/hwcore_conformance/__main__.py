"""``python -m hwcore_conformance``."""

from hwcore_conformance.cli import app

app(prog_name="python -m hwcore_conformance")
