"""Flood fill over a raster of any size: chunk by chunk, only where the flood reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cimgen_qt.core.chunks import CHUNK, Key, chunk_window
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Mask
from cimgen_qt.core.regions import Runs, find_areas

_SIDES = ((-1, 0, (0, slice(None)), (-1, slice(None))), (1, 0, (-1, slice(None)), (0, slice(None))),
          (0, -1, (slice(None), 0), (slice(None), -1)), (0, 1, (slice(None), -1), (slice(None), 0)))  # fmt: skip


def flood(grid: Grid, fits: Callable[[Window], Mask], row: int, col: int) -> Iterator[tuple[Window, Mask]]:
    """Pixels that `fits` and are joined by sides to (`row`, `col`), a window and mask a chunk."""
    start = (row // CHUNK, col // CHUNK)
    seeds = np.zeros(chunk_window(start, grid).shape, bool)
    seeds[row % CHUNK, col % CHUNK] = True
    waiting: dict[Key, Mask] = {start: seeds}
    known: dict[Key, tuple[Mask, Runs]] = {}
    filled: dict[Key, Mask] = {}
    while waiting:
        key, seeds = waiting.popitem()
        window = chunk_window(key, grid)
        if key not in known:
            region = fits(window)
            known[key] = region, find_areas([(Window(0, 0, *window.shape), region)], diagonal=False)
        region, runs = known[key]
        areas = np.unique(runs.area_at(*np.nonzero(seeds & region)))
        new = runs.mask(areas[areas >= 0], Window(0, 0, *window.shape))
        before = filled.setdefault(key, np.zeros(window.shape, bool))
        fresh = new & ~before
        if not fresh.any():
            continue
        filled[key] = before | new
        _spread(key, fresh, grid, waiting)
    for key in sorted(filled):
        if filled[key].any():
            yield chunk_window(key, grid), filled[key]


def _spread(key: Key, fresh: Mask, grid: Grid, waiting: dict[Key, Mask]) -> None:
    """Hand what reached a side on to the chunk beyond it."""
    for rows, cols, mine, theirs in _SIDES:
        beyond = (key[0] + rows, key[1] + cols)
        window = chunk_window(beyond, grid)
        if min(beyond) < 0 or not window or not fresh[mine].any():
            continue
        seeds = waiting.setdefault(beyond, np.zeros(window.shape, bool))
        seeds[theirs] |= fresh[mine]
