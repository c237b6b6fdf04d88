"""A badge for a README: the levels that are kept, or what is in the way."""

from __future__ import annotations

from html import escape

from hwcore_conformance.report import Report
from hwcore_conformance.verdict import Standing, Verdict

LABEL = "hwcore conformance"
COLOURS = {Verdict.PASS: "#2b7a3d", Verdict.PARTIAL: "#8a6100", Verdict.FAIL: "#b3261e"}
_WIDTHS = {**dict.fromkeys("fijlrt.,:'| ", 4.2), **dict.fromkeys("mw✓", 10.2)}
_PAD, _HEIGHT = 8, 20


def message(report: Report) -> str:
    """What stands on its right side."""
    kept = [level for level, stands in report.levels.items() if stands is Standing.KEPT]
    broken = [level for level, stands in report.levels.items() if stands is Standing.BROKEN]
    if report.verdict is Verdict.FAIL:
        return f"broken: {' '.join(broken)}" if broken else "baseline out of date"
    if report.verdict is Verdict.PARTIAL:
        return f"partial: {' '.join(kept)} ✓" if kept else "partial"
    return f"{' '.join(kept)} ✓"


def as_badge(report: Report) -> str:
    """An SVG image that needs nothing else."""
    right, colour = message(report), COLOURS[report.verdict]
    left_width, right_width = _width(LABEL), _width(right)
    width = left_width + right_width
    title = escape(f"{LABEL}: {right}")
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" \
aria-label="{title}">
<title>{title}</title>
<clipPath id="round"><rect width="{width}" height="{_HEIGHT}" rx="4"/></clipPath>
<g clip-path="url(#round)">
<rect width="{left_width}" height="{_HEIGHT}" fill="#3b4048"/>
<rect x="{left_width}" width="{right_width}" height="{_HEIGHT}" fill="{colour}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
<text x="{_PAD}" y="14" textLength="{left_width - 2 * _PAD}">{LABEL}</text>
<text x="{left_width + _PAD}" y="14" textLength="{right_width - 2 * _PAD}">{escape(right)}</text>
</g>
</svg>
"""


def _width(text: str) -> int:
    """Pixels of a text in Verdana at 11, and space beside it."""
    return round(sum(_WIDTHS.get(character, 7.0) for character in text)) + 2 * _PAD
