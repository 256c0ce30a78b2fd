"""Read classes from photos much finer than a model: all work is at the model's resolution, the map at the photo's.

A drone's photo of 2 cm a pixel and a model of 50 cm: one tile of the model is 400 million pixels of the photo. They are
averaged as they are read, and shares of classes are interpolated as the map is written, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Mask, Pixels, RasterInfo
from cimgen_qt.core.resample import shrink_or_grow
from cimgen_qt.segmentation.model import SegmentationModel
from cimgen_qt.segmentation.sweep import Piece, Readable, Sweep, lattice_of, measured, piece_of

MUCH = 0.5
"""Pixels of the model a pixel of the photo, below which it is finer by much."""
AT_ONCE = 1 << 24
"""Pixels of the photo, or shares of classes, that are held at a time."""


@dataclass(frozen=True)
class Averaged:
    """A reader whose pixels are means over those of another one: float32, NaN where nothing is known."""

    reader: Readable
    height: int
    width: int

    @property
    def info(self) -> RasterInfo:
        fine = self.reader.info.grid
        across, down = fine.width / self.width, fine.height / self.height
        a, b, c, d, e, f = fine.transform
        grid = Grid(self.width, self.height, (a * across, b * down, c, d * across, e * down, f), fine.crs)
        return replace(self.reader.info, grid=grid)

    def read(self, window: Window) -> Pixels:
        def known(part: Window) -> NDArray[np.float32]:
            values = self.reader.read(part).astype(np.float32)
            values[~self.reader.read_valid(part)] = np.nan
            return values

        return self._means(window, known)

    def read_valid(self, window: Window) -> Mask:
        shares = self._means(window, lambda part: self.reader.read_valid(part)[..., None].astype(np.float32))
        found: Mask = shares[..., 0] > 0.5
        return found

    def under(self, window: Window) -> Window:
        """The pixels of the photo under some of these, to the nearest whole one."""
        fine = self.reader.info.grid
        rows = [round(row * fine.height / self.height) for row in (window.row, window.bottom)]
        cols = [round(col * fine.width / self.width) for col in (window.col, window.right)]
        return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])

    def _means(self, window: Window, read: Callable[[Window], NDArray[np.float32]]) -> NDArray[np.float32]:
        whole = self.under(window)
        step = max(1, AT_ONCE * window.height // max(1, whole.height * whole.width))
        parts = []
        for row in range(window.row, window.bottom, step):
            part = Window(row, window.col, min(step, window.bottom - row), window.width)
            parts.append(shrink_or_grow(read(self.under(part)), *part.shape))
        return np.concatenate(parts)


def sweep_over(model: SegmentationModel, reader: Readable) -> Sweep | Finer:
    """Whichever suits the photo. Raises ModelError as `Sweep` does."""
    scale = lattice_of(model, reader).scale
    if max(scale) > MUCH:
        return Sweep(model, reader)
    grid = reader.info.grid
    averaged = Averaged(reader, max(1, round(grid.height * scale[0])), max(1, round(grid.width * scale[1])))
    return Finer(Sweep(model, averaged, measured(model, reader)), averaged)


class Finer:
    """Iterate over it as over a `Sweep`: pieces cover the photo without overlap."""

    def __init__(self, coarse: Sweep, averaged: Averaged) -> None:
        """`coarse` goes over `averaged`."""
        self._coarse, self._averaged = coarse, averaged

    @property
    def tiles(self) -> int:
        return self._coarse.tiles

    def __iter__(self) -> Iterator[tuple[int, list[Piece]]]:
        kept: NDArray[np.float32] | None = None
        for looked, finished in self._coarse.shares():
            if not finished:
                yield looked, []
            for window, shares in finished:
                first = window.row == 0
                rows = shares if first or kept is None else np.concatenate([kept, shares])
                start = window.row - (0 if first else 1)
                yield from ((0, [piece]) for piece in self._grown(window, rows, start, first))
                kept = shares[-1:].copy()

    def _grown(self, window: Window, rows: NDArray[np.float32], start: int, first: bool) -> Iterator[Piece]:
        """The photo's rows that lie between the middles of the model's `rows`, which begin at row `start`."""
        fine, averaged = self._averaged.reader.info.grid, self._averaged
        last = window.bottom == averaged.height
        factor = fine.height / averaged.height
        middle = [round((row + 0.5) * factor) for row in (start, window.bottom - 1)]
        top, bottom = 0 if first else middle[0], fine.height if last else middle[1]
        under = averaged.under(window)
        wide = _along(rows, np.arange(under.col, under.right), fine.width / averaged.width, window.col, axis=1)
        step = max(1, AT_ONCE // max(1, under.width * rows.shape[2]))
        for row in range(top, bottom, step):
            part = Window(row, under.col, min(step, bottom - row), under.width)
            shares = _along(wide, np.arange(part.row, part.bottom), factor, start, axis=0)
            valid = averaged.reader.read_valid(part)
            yield piece_of(self._coarse.ids, part, shares * valid[..., None])


def _along(
    values: NDArray[np.float32], places: NDArray[np.int64], factor: float, begin: int, axis: int
) -> NDArray[np.float32]:
    """Linear between the middles of coarse pixels, of which the first is number `begin`, at fine pixels `places`."""
    at = np.clip((places + 0.5) / factor - 0.5 - begin, 0, values.shape[axis] - 1)
    below = np.minimum(at.astype(np.int64), max(0, values.shape[axis] - 2))
    share = (at - below).astype(np.float32)
    share = share[:, None, None] if axis == 0 else share[None, :, None]
    above = np.minimum(below + 1, values.shape[axis] - 1)
    found: NDArray[np.float32] = values.take(below, axis) * (1 - share) + values.take(above, axis) * share
    return found
