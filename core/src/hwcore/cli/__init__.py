"""The command line: a shell of the workflows, one file per command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``hwcore`` command."""
    try:
        from hwcore.cli.app import run

        run()
    except KeyboardInterrupt:  # while the commands were still being imported, or just after one
        sys.stderr.write("hwcore: stopped\n")
        sys.exit(130)
