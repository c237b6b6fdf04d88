"""Looks around for two seconds when it is imported."""

from __future__ import annotations

import time

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-003"
SAYS = "acme_bad.plugin takes 2"


time.sleep(2)
