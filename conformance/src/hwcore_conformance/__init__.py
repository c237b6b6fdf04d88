"""The conformance suite: what a plugin of hwcore promises, and whether it keeps it."""
