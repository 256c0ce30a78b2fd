"""Turn strokes, lines and polygons in pixel coordinates into masks; a shape has the pixels whose middle it covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.floating[Any]]
Point = tuple[float, float]
"""(row, col); pixel (r, c) reaches from r to r + 1 and its middle is at r + 0.5."""


def box(points: Sequence[Point], rows: float, cols: float) -> Window:
    """The pixels that a pen of these half axes can touch along `points`."""
    low_row, low_col = min(p[0] for p in points) - rows, min(p[1] for p in points) - cols
    high_row, high_col = max(p[0] for p in points) + rows, max(p[1] for p in points) + cols
    row, col = math.floor(low_row), math.floor(low_col)
    return Window(row, col, math.ceil(high_row) - row, math.ceil(high_col) - col)


def stroke_mask(
    points: Sequence[Point], rows: float, cols: float, shape: str, window: Window, flat: bool = False
) -> Mask:
    """Pixels of `window` under a pen drawn along `points`.

    `rows` and `cols` are the pen's half axes; `shape` is "round" or "square"; `flat` cuts a round pen's line off at
    both ends, as a road is.
    """
    mask = np.zeros(window.shape, bool)
    steps = list(pairwise(points)) or [(points[0], points[0])]
    for number, (one, other) in enumerate(steps):
        part = box([one, other], rows, cols).intersect(window)
        if not part:
            continue
        r = ((np.arange(part.row, part.bottom) + 0.5 - one[0]) / rows)[:, None]
        c = ((np.arange(part.col, part.right) + 0.5 - one[1]) / cols)[None, :]
        dr, dc = (other[0] - one[0]) / rows, (other[1] - one[1]) / cols
        cut = (flat and number == 0, flat and number == len(steps) - 1)
        inside = _square(r, c, dr, dc) if shape == "square" else _capsule(r, c, dr, dc, cut)
        mask[part.slices(window)] |= inside
    return mask


def polygon_mask(rings: Sequence[Sequence[Point]], window: Window) -> Mask:
    """Pixels of `window` whose middle lies inside an odd number of rings (open or closed)."""
    toggles = np.zeros((window.height, window.width + 1), np.int32)
    for ring in rings:
        for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
            _toggle(toggles, one, other, window)
    inside: Mask = (np.cumsum(toggles, axis=1)[:, :-1] & 1).astype(bool)
    return inside


def _toggle(toggles: NDArray[np.int32], one: Point, other: Point, window: Window) -> None:
    """Mark in every row that the edge crosses the first column whose middle lies beyond it."""
    (r0, c0), (r1, c1) = (one, other) if one[0] <= other[0] else (other, one)
    first = max(0, math.ceil(r0 - 0.5) - window.row)
    last = min(window.height, math.ceil(r1 - 0.5) - window.row)
    if first >= last:
        return
    rows = np.arange(first, last)
    crossing = c0 + (rows + window.row + 0.5 - r0) * ((c1 - c0) / (r1 - r0))
    cols = np.clip(np.ceil(crossing - 0.5) - window.col, 0, window.width).astype(np.int64)
    np.add.at(toggles, (rows, cols), 1)


def _capsule(r: Floats, c: Floats, dr: float, dc: float, cut: tuple[bool, bool]) -> NDArray[np.bool_]:
    """Within 1 of the segment from 0 to (dr, dc); `cut` takes the round cap off at the start and at the end."""
    length = dr * dr + dc * dc
    if length == 0:
        return np.asarray(r * r + c * c <= 1)
    along = (r * dr + c * dc) / length
    t = np.clip(along, 0, 1)
    inside = (r - t * dr) ** 2 + (c - t * dc) ** 2 <= 1
    if cut[0]:
        inside &= along >= 0
    if cut[1]:
        inside &= along <= 1
    return np.asarray(inside)


def _square(r: Floats, c: Floats, dr: float, dc: float) -> NDArray[np.bool_]:
    """Swept by a square of half side 1 from 0 to (dr, dc): some t in 0..1 is near enough in both directions."""
    low_r, high_r = _reach(r, dr)
    low_c, high_c = _reach(c, dc)
    return np.asarray(np.maximum(np.maximum(low_r, low_c), 0) <= np.minimum(np.minimum(high_r, high_c), 1))


def _reach(x: Floats, d: float) -> tuple[Floats, Floats]:
    if d == 0:
        near = np.abs(x) <= 1
        return np.where(near, -np.inf, np.inf), np.where(near, np.inf, -np.inf)
    one, other = (x - 1) / d, (x + 1) / d
    return np.minimum(one, other), np.maximum(one, other)
