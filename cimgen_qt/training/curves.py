"""Curves as a picture that any browser shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = tuple[int, str, float]
_WIDTH, _HEIGHT, _GAP = 360, 150, 26
_POINTS = 240
"""So many a curve; each is the mean of the steps that fall to it."""


def draw_curves(rows: Sequence[Row]) -> str:
    """SVG with one small plot a name, in the order in which names came first; what is no number is left out."""
    names = list(dict.fromkeys(name for _, name, _ in rows))
    parts = [_plot(name, [(s, v) for s, n, v in rows if n == name and math.isfinite(v)], place)
             for place, name in enumerate(names)]  # fmt: skip
    high = -(-max(1, len(names)) // 2) * (_HEIGHT + _GAP) + _GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * (_WIDTH + _GAP) + _GAP}" height="{high}"'
    return head + ' font-family="sans-serif" font-size="11">\n' + "".join(parts) + "</svg>\n"


def _plot(name: str, points: Sequence[tuple[int, float]], place: int) -> str:
    left, top = _GAP + place % 2 * (_WIDTH + _GAP), _GAP + place // 2 * (_HEIGHT + _GAP)
    title = f'<text x="{left}" y="{top - 6}">{_escaped(name)}{_latest(points)}</text>\n'
    frame = f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#bbb"/>\n'
    if not points:
        return title + frame
    points = _thinned(points)
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    low, up = min(v for _, v in points), max(v for _, v in points)
    span = (up - low) or 1.0
    placed = " ".join(
        f"{left + (s - first) / (last - first) * _WIDTH:.1f},{top + _HEIGHT - (v - low) / span * _HEIGHT:.1f}"
        for s, v in points
    )
    scale = (
        f'<text x="{left + 3}" y="{top + 12}" fill="#777">{up:.4g}</text>\n'
        f'<text x="{left + 3}" y="{top + _HEIGHT - 4}" fill="#777">{low:.4g}</text>\n'
        f'<text x="{left + _WIDTH}" y="{top + _HEIGHT + 12}" fill="#777" text-anchor="end">{last}</text>\n'
    )
    return title + frame + f'<polyline points="{placed}" fill="none" stroke="#0b62a4" stroke-width="1.5"/>\n' + scale


def _latest(points: Sequence[tuple[int, float]]) -> str:
    return f": {points[-1][1]:.4g}" if points else ""


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    each = -(-len(points) // _POINTS)
    groups = [points[start : start + each] for start in range(0, len(points), each)]
    return [(group[-1][0], sum(v for _, v in group) / len(group)) for group in groups]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
