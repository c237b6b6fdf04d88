"""``python -m hwcore`` is the ``hwcore`` command."""

from hwcore.cli import main

if __name__ == "__main__":
    main()
