"""Find connected areas in a mask that is known block by block, whatever the size of the raster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Horizontal runs of True pixels, sorted by row and start; `area` numbers the connected area of each from 0."""

    row: Ints
    start: Ints
    end: Ints
    """One column past the last."""
    area: Ints

    @property
    def count(self) -> int:
        """How many areas there are."""
        return int(self.area.max()) + 1 if self.area.size else 0

    def area_at(self, row: ArrayLike, col: ArrayLike) -> Ints:
        """Numbers of the areas at pixels, -1 outside all."""
        span = int(self.end.max(initial=0)) + 2
        rows, cols = np.asarray(row, np.int64), np.asarray(col, np.int64)
        at = np.searchsorted(self.row * span + self.start, rows * span + np.clip(cols, -1, span - 1), side="right") - 1
        inside = (at >= 0) & (self.row[at] == rows) & (self.start[at] <= cols) & (cols < self.end[at])
        return np.where(inside, self.area[at], -1)

    def only(self, areas: ArrayLike) -> Runs:
        """The runs of these areas alone, numbered anew in the same order."""
        kept = np.isin(self.area, np.asarray(areas, np.int64))
        numbers = np.unique(self.area[kept], return_inverse=True)[1].reshape(-1).astype(np.int64)
        return Runs(self.row[kept], self.start[kept], self.end[kept], numbers)

    def windows(self) -> list[Window]:
        """The smallest window round each area."""
        row0, col0 = _reduced(np.minimum, self.row, self), _reduced(np.minimum, self.start, self)
        row1, col1 = _reduced(np.maximum, self.row + 1, self), _reduced(np.maximum, self.end, self)
        return [
            Window(int(r0), int(c0), int(r1 - r0), int(c1 - c0))
            for r0, c0, r1, c1 in zip(row0, col0, row1, col1, strict=True)
        ]

    def sizes(self) -> Ints:
        """Pixels of each area."""
        sizes = np.zeros(self.count, np.int64)
        np.add.at(sizes, self.area, self.end - self.start)
        return sizes

    def mask(self, areas: Iterable[int], window: Window) -> Mask:
        """True where `window` holds a pixel of one of `areas`."""
        wanted = np.zeros(self.count + 1, bool)
        wanted[list(areas)] = True
        first, last = np.searchsorted(self.row, [window.row, window.bottom])
        rows, starts, ends = self.row[first:last], self.start[first:last], self.end[first:last]
        hit = wanted[self.area[first:last]] & (starts < window.right) & (ends > window.col)
        rows = rows[hit] - window.row
        starts = np.clip(starts[hit] - window.col, 0, window.width)
        ends = np.clip(ends[hit] - window.col, 0, window.width)
        steps = np.zeros((window.height, window.width + 1), np.int32)
        np.add.at(steps, (rows, starts), 1)
        np.add.at(steps, (rows, ends), -1)
        return np.cumsum(steps[:, :-1], axis=1) > 0


def find_areas(blocks: Iterable[tuple[Window, Mask]], diagonal: bool = True) -> Runs:
    """Connected areas over all blocks, which must not overlap. `diagonal`: corners connect (8 neighbours)."""
    parts = [_runs(window, mask) for window, mask in blocks]
    if not parts:
        empty = np.zeros(0, np.int64)
        return Runs(empty, empty, empty, empty)
    row, start, end = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((start, row))
    row, start, end = row[order], start[order], end[order]
    one, other = _touching(row, start, end, diagonal)
    return Runs(row, start, end, _connected(row.size, one, other))


def _runs(window: Window, mask: Mask) -> tuple[Ints, Ints, Ints]:
    edges = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    edges[:, 1:-1] = mask
    steps = np.diff(edges, axis=1)
    row, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    return (
        (row + window.row).astype(np.int64),
        (start + window.col).astype(np.int64),
        (end + window.col).astype(np.int64),
    )


def _touching(row: Ints, start: Ints, end: Ints, diagonal: bool) -> tuple[Ints, Ints]:
    """Pairs of runs that touch: across a block border in one row, and from each row to the next."""
    same = np.nonzero((row[1:] == row[:-1]) & (start[1:] == end[:-1]))[0]
    span = int(end.max(initial=0)) + 2
    reach = 1 if diagonal else 0
    first_key, last_key = row * span + end, row * span + start
    # In the next row, runs that touch stand together: the first ends after our start, the last starts before our end.
    low = np.searchsorted(first_key, (row + 1) * span + start - reach, side="right")
    high = np.searchsorted(last_key, (row + 1) * span + end + reach, side="left")
    number = np.maximum(0, high - low)
    one = np.repeat(np.arange(row.size), number)
    offset = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.concatenate([same, one]), np.concatenate([same + 1, np.repeat(low, number) + offset])


def _connected(size: int, one: Ints, other: Ints) -> Ints:
    """Number the connected sets: smallest neighbour and pointer jumping until nothing moves."""
    label = np.arange(size, dtype=np.int64)
    while True:
        low = np.minimum(label[one], label[other])
        before = label.copy()
        np.minimum.at(label, before[one], low)
        np.minimum.at(label, before[other], low)
        while not np.array_equal(label, label[label]):
            label = label[label]
        if np.array_equal(label, before):
            break
    return np.unique(label, return_inverse=True)[1].astype(np.int64).reshape(size)


def _reduced(how: np.ufunc, values: Ints, runs: Runs) -> Ints:
    start = np.iinfo(np.int64).max if how is np.minimum else np.iinfo(np.int64).min
    result = np.full(runs.count, start, np.int64)
    how.at(result, runs.area, values)
    return result
