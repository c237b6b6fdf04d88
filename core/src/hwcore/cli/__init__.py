"""The command line: a shell of the workflows, one file per command."""


def main() -> None:
    """Entry point of the ``hwcore`` command."""
    from hwcore.cli.app import run

    run()
