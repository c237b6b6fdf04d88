"""Quantizes, and its manifest does not say so."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

from hwcore.contract import Draft, hookimpl

KILLS = "MAN-004"
SAYS = "it implements quantize and does not declare it"


@hookimpl
def quantize(source: object) -> Draft:
    return Draft(format="acme-npz")
