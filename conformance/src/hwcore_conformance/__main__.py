"""``python -m hwcore_conformance``: the same as ``hwcore conformance``."""

import runpy
import sys

sys.argv[1:1] = ["conformance"]
runpy.run_module("hwcore", run_name="__main__", alter_sys=True)
