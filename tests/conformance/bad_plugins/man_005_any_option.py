"""Its option schema takes every name."""

from __future__ import annotations

from acme_hwcore.plugin import export, run  # noqa: F401 - hooks

KILLS = "MAN-005"
SAYS = "npz takes the option 'hwcore-no-such-option'"
PATCHES = {"options.schema.json": ['"additionalProperties": false', '"additionalProperties": true']}
