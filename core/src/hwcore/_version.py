"""The package's version, in a module so small that reading it imports nothing."""

__version__ = "0.1.0"
