"""Go over a raster of any size in overlapping tiles: no seam is seen, and memory does not grow with the raster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.core.resample import shrink_or_grow
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators.stretch import Stretch, stretch_for
from cimgen_qt.segmentation.model import SegmentationModel

STRIP = 8192
"""Columns that are gone over at once: what is kept at a time is a strip of one row of tiles."""


@dataclass(frozen=True)
class Piece:
    """Finished ground: classes, and how sure the model is, 255 for certain."""

    window: Window
    labels: Labels
    confidence: NDArray[np.uint8]


class Readable(Protocol):
    """What of a raster's reader is needed here."""

    @property
    def info(self) -> RasterInfo: ...

    def read(self, window: Window) -> Pixels: ...

    def read_valid(self, window: Window) -> Mask: ...


@dataclass(frozen=True)
class Photo:
    """A reader as what a stretch is measured in."""

    reader: Readable
    palette: Palette

    @property
    def grid(self) -> Grid:
        return self.reader.info.grid

    @property
    def info(self) -> RasterInfo:
        return self.reader.info

    def read_photo(self, window: Window) -> Pixels:
        return self.reader.read(window)

    def read_valid(self, window: Window) -> Mask:
        return self.reader.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        return np.zeros(window.shape, np.uint8)

    read_labels = read_map

    def read_scope(self, window: Window) -> Mask:
        return np.zeros(window.shape, np.bool_)


class Sweep:
    """Iterate over it: row by row of tiles, strip by strip, the pieces cover the raster without overlap."""

    def __init__(self, model: SegmentationModel, reader: Readable, stretch: Stretch | None = None) -> None:
        """`stretch`: where the photo has the model's resolution and was measured before.

        Raises ModelError where the photo lacks a band, or holds no data to measure its range by.
        """
        info = reader.info
        self._model, self._reader = model, reader
        self._bands = model.bands(info)
        self.ids = np.array(model.reading.classes, np.uint8)
        self._stretch = stretch or measured(model, reader)
        lattice = lattice_of(model, reader) if stretch is None else Lattice(model.spec)
        self._scale = lattice.scale
        self._cell = lattice.cell
        self._margin = tuple(max(1, round(model.spec.halo / s)) for s in self._scale)

    @property
    def _cuts(self) -> bool:
        """Whether tiles agree where they meet, so that nothing has to be blended."""
        return self._model.local and self._scale == (1.0, 1.0)

    @property
    def tiles(self) -> int:
        """How many tiles it will look at."""
        return sum(1 for strip in self._strips() for _ in self._tiles(strip))

    def __iter__(self) -> Iterator[tuple[int, list[Piece]]]:
        """After each tile: 1 and the ground that is finished with it."""
        for looked, finished in self.shares():
            yield looked, [piece_of(self.ids, window, shares) for window, shares in finished]

    def shares(self) -> Iterator[tuple[int, list[tuple[Window, NDArray[np.float32]]]]]:
        """The same as shares of the classes `ids`, (height, width, class), before one is chosen."""
        for strip in self._strips():
            yield from self._strip(strip)

    def _strips(self) -> Iterator[Window]:
        whole = self._reader.info.grid.window
        step = max(1, STRIP // self._cell[1]) * self._cell[1]
        for col in range(0, whole.width, step):
            yield Window(0, col, whole.height, min(step, whole.width - col))

    def _tiles(self, strip: Window) -> Iterator[Window]:
        """Of a strip, or some rows of it; with the columns on both sides where neighbours blend into each other."""
        whole = self._reader.info.grid.window
        more = 0 if self._cuts else self._cell[1]
        ground = Window(strip.row, strip.col - more, strip.height, strip.width + 2 * more).intersect(whole)
        for row in range(ground.row, ground.bottom, self._cell[0]):
            for col in range(ground.col, ground.right, self._cell[1]):
                yield Window(row, col, *self._cell).intersect(ground)

    def _strip(self, strip: Window) -> Iterator[tuple[int, list[tuple[Window, NDArray[np.float32]]]]]:
        classes = len(self._model.reading.classes)
        high, (rows, cols) = self._cell[0] + 2 * self._margin[0], self._margin
        sums = np.zeros((high, strip.width, classes), np.float32)
        weights = np.zeros((high, strip.width), np.float32)
        top = -rows
        for row in range(0, strip.height, self._cell[0]):
            if row - rows > top:
                step = row - rows - top
                sums[:-step], weights[:-step] = sums[step:].copy(), weights[step:].copy()
                sums[-step:], weights[-step:] = 0, 0
                top += step
            for inner in self._tiles(Window(row, strip.col, min(self._cell[0], strip.height - row), strip.width)):
                outer = Window(row - rows, inner.col - cols, high, inner.width + 2 * cols)
                seen = outer.intersect(self._reader.info.grid.window)
                seen_shares, weight = self._looked(seen, outer)
                kept = seen.intersect(Window(seen.row, strip.col, seen.height, strip.width))
                part = kept.slices(seen)
                place = slice(kept.row - top, kept.bottom - top), slice(kept.col - strip.col, kept.right - strip.col)
                sums[place] += seen_shares[part] * weight[part][..., None]
                weights[place] += weight[part]
                yield 1, []
            last = row + self._cell[0] >= strip.height
            bottom = strip.height if last else row + self._cell[0] - rows
            start = 0 if row == 0 else row - rows
            if bottom > start:
                window = Window(start, strip.col, bottom - start, strip.width)
                cut = slice(start - top, bottom - top)
                shares = sums[cut] / np.maximum(weights[cut], np.float32(1e-9))[..., None]
                yield 0, [(window, shares.astype(np.float32, copy=False))]

    def _looked(self, seen: Window, outer: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Shares for what of a tile lies in the raster, and how much they count: less towards the tile's edge."""
        photo, valid = self._reader.read(seen)[..., self._bands], self._reader.read_valid(seen)
        if self._scale != (1.0, 1.0):
            size = tuple(
                max(1, min(round(n * s), most or round(n * s)))
                for n, s, most in zip(seen.shape, self._scale, self._model.fixed, strict=True)
            )
            known = np.where(valid[..., None], photo.astype(np.float32), np.nan)
            small = self._model.look(
                shrink_or_grow(known, *size), shrink_or_grow(valid[..., None].astype(np.float32), *size)[..., 0] > 0.5,
                self._stretch,
            )  # fmt: skip
            shares = shrink_or_grow(np.ascontiguousarray(small), *seen.shape)
        else:
            shares = self._model.look(photo, valid, self._stretch)
        shape = _inner if self._cuts else _ramp
        ramps = [shape(size, margin) for size, margin in zip(outer.shape, self._margin, strict=True)]
        weight = ramps[0][:, None] * ramps[1][None]
        return shares * valid[..., None], weight[seen.slices(outer)]


def measured(model: SegmentationModel, reader: Readable) -> Stretch:
    """Which values of a photo count as dark and bright. Raises ModelError as `Sweep` does."""
    info = reader.info
    view = Photo(reader, model.reading.palette)
    return stretch_for(info.dtype, model.card.dtype, model.card.levels, view, model.bands(info))


def lattice_of(model: SegmentationModel, reader: Readable) -> Lattice:
    """Where tiles lie, and how much finer (below 1) or coarser than the model the photo is."""
    return Lattice.of(model.spec, reader.info.grid)


def piece_of(ids: NDArray[np.uint8], window: Window, shares: NDArray[np.float32]) -> Piece:
    """The class of the largest share, and how large that is; unlabelled where all are 0."""
    best = shares.argmax(2)
    top = np.take_along_axis(shares, best[..., None], 2)[..., 0]
    known = top > 0
    return Piece(window, np.where(known, ids[best], 0).astype(np.uint8), np.round(top * 255).astype(np.uint8))


def _ramp(size: int, margin: int) -> NDArray[np.float32]:
    """From little at the ends up to 1 within twice the margin: those of neighbours add up to the same everywhere."""
    places = (np.arange(size) + 0.5) / (2 * margin)
    found: NDArray[np.float32] = np.minimum(1.0, np.minimum(places, places[::-1])).astype(np.float32)
    return found


def _inner(size: int, margin: int) -> NDArray[np.float32]:
    """1 within the margins, 0 in them: what a network that sees its whole neighbourhood answers needs no blending."""
    found = np.zeros(size, np.float32)
    found[margin : size - margin] = 1.0
    return found
