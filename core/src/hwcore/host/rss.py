"""Peak resident memory of this process."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_rss() -> int:
    """Most bytes that were ever resident in this process.

    On Linux this is ``VmHWM`` and not ``getrusage``: the latter's ``ru_maxrss`` outlives
    ``exec``, so that a small process started by a big one would show the big one's peak.
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        if match:
            return int(match[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
