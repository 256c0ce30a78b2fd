"""Draw the outlines of a mask as polygons that follow the edges of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask
from cimgen_qt.core.regions import Runs, find_areas

Ring = list[tuple[int, int]]
"""Closed ring of (row, col) corners; the first is repeated at the end."""


def outline(mask: Mask, window: Window) -> list[list[Ring]]:
    """Polygons of `mask`, which lies at `window`: for each the outer ring, then its holes.

    Pixels that meet at a corner only belong to two polygons (unless joined elsewhere), so every ring is simple.
    """
    if not mask.any():
        return []
    runs = find_areas([(Window(0, 0, *mask.shape), mask)], diagonal=False)
    rings = _rings(mask, runs)
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for ring in rings:
        row, col = min(ring)
        inside = bool(mask[row, col])
        area = int(runs.area_at(row if inside else row - 1, col))
        placed = [(r + window.row, c + window.col) for r, c in ring]
        if inside:
            outer[area] = placed
        else:
            holes.setdefault(area, []).append(placed)
    return [[ring, *holes.get(area, [])] for area, ring in sorted(outer.items())]


def _rings(mask: Mask, runs: Runs) -> list[Ring]:
    """Chain corners: each has one partner in its row and one in its column."""
    row, col, flip = _corners(mask, runs)
    order = np.arange(row.size)
    across = _partners(np.lexsort((order, col, row)))
    # Two corners in one point (pixels that meet diagonally): which of them goes up depends on the diagonal.
    along = _partners(np.lexsort((np.where(flip, -order, order), row, col)))
    rows, cols = row.tolist(), col.tolist()
    left, rings = set(order.tolist()), []
    while left:
        first = at = min(left)
        ring: Ring = []
        while True:
            for partner in (across, along):
                ring.append((rows[at], cols[at]))
                left.discard(at)
                at = partner[at]
            if at == first:
                break
        ring.append(ring[0])
        rings.append(ring)
    return rings


def _corners(mask: Mask, runs: Runs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Corner points in row-major order; a point where two pixels meet diagonally stands twice.

    The third array tells how such a twin is chained: True, where its left corner goes on downwards.
    """
    full = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.int8)
    full[1:-1, 1:-1] = mask
    nw, ne, sw, se = full[:-1, :-1], full[:-1, 1:], full[1:, :-1], full[1:, 1:]
    odd = ((nw + ne + sw + se) % 2) == 1
    saddle = (nw == se) & (ne == sw) & (nw != ne)
    row, col = np.nonzero(odd | saddle)
    twin, falling = saddle[row, col], nw[row, col] == 1
    upper = runs.area_at(row - 1, np.where(falling, col - 1, col))
    lower = runs.area_at(row, np.where(falling, col, col - 1))
    # Apart where the two pixels belong to two areas; joined where they are one, which keeps holes apart instead.
    flip = twin & (falling == (upper == lower))
    number = np.where(twin, 2, 1)
    return np.repeat(row, number), np.repeat(col, number), np.repeat(flip, number)


def _partners(sequence: NDArray[np.int64]) -> list[int]:
    """Neighbours in the sequence belong together two by two."""
    partner = np.empty_like(sequence)
    partner[sequence[0::2]] = sequence[1::2]
    partner[sequence[1::2]] = sequence[0::2]
    return [int(p) for p in partner]
