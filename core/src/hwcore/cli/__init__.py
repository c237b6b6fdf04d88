"""The command line: a shell of the workflows, one file per command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``hwcore`` command."""
    from hwcore.cli.stopping import INTERRUPTED, TERMINATED, Terminated, clean_up_on_sigterm
    from hwcore.cli.streams import open_missing

    try:
        open_missing()
        clean_up_on_sigterm()
        from hwcore.cli.app import run

        run()
    # While the commands were still being imported, or just after one.
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Terminated:
        status = TERMINATED
    sys.stderr.write("hwcore: stopped\n")
    sys.exit(status)
