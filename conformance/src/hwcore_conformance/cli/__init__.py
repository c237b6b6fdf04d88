"""``hwcore conformance``: a command for each job.

The core finds this app through the entry-point group ``hwcore.commands``; its commands raise the
core's errors, which become a sentence, a hint and an exit code there.
"""

from __future__ import annotations

import typer

from hwcore_conformance.cli.pages import list_, matrix, verify_
from hwcore_conformance.cli.run import run
from hwcore_conformance.operators.command import operators

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check what a plugin of hwcore promises, and what a report says.",
)

app.command("run", epilog="Example: hwcore conformance run openvino --quick")(run)
app.command("list", epilog="Example: hwcore conformance list --json")(list_)
app.command("verify", epilog="Example: hwcore conformance verify ./report")(verify_)
app.command("matrix", epilog="Example: hwcore conformance matrix ./reports --out matrix.html")(
    matrix
)
app.command("operators", epilog="Example: hwcore conformance operators onnxruntime --compare")(
    operators
)
