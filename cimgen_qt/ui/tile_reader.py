"""The thread that makes tiles: it has a file handle of its own, so that the window never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.chunks import CHUNK, chunk_keys, chunk_window
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.project import Project
from cimgen_qt.core.raster import Labels, Pixels, RasterReader
from cimgen_qt.core.render import Patch
from cimgen_qt.core.snapshot import LABEL_LAYERS
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.ui.compat import QtCore, QtGui, Signal
from cimgen_qt.ui.images import Argb, ClassColours, Stretch, image_over, label_image
from cimgen_qt.ui.view import tile_window

PHOTO, SCENE, LABELS = "photo", "scene", "labels"
"""The original photo; the photo with what was accepted and proposed; the edited classes."""
_CHEAP_PIXELS = 64 * 1024 * 1024
"""An image up to this size is shrunk as a whole in less than a second, overviews or not."""


@dataclass(frozen=True, slots=True)
class TileKey:
    """Place of a tile: `row` and `col` count tiles of this level."""

    layer: str
    level: int
    row: int
    col: int


@dataclass(frozen=True)
class Told:
    """What the scene is at the moment: the act that it stands at, and the proposal laid over it."""

    revision: int
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class Request:
    """`stamp` tells which changes the tile will know of."""

    key: TileKey
    stamp: int
    told: Told


@dataclass(frozen=True)
class Tile:
    """A picture of `window`; `argb` is its memory, `step` pixels of the image make one of the picture."""

    key: TileKey
    stamp: int
    window: Window
    step: int
    image: QtGui.QImage
    argb: Argb
    fresh: bool = True


class TileReader(QtCore.QThread):
    """Makes the tile that is wanted most, then the next. `want` replaces everything that was wanted before."""

    read = Signal(object)
    failed = Signal(object)

    def __init__(self, image: Path, project: Project, colours: ClassColours) -> None:
        super().__init__()
        self.grid = project.grid.window
        info = project.info
        self.coarse_is_cheap = bool(info.overviews) or self.grid.area <= _CHEAP_PIXELS
        self._image = image
        self._project = project
        self._colours = colours
        self._wanted: list[Request] = []
        self._given: set[tuple[TileKey, int]] = set()
        self._told = threading.Condition()
        self._closed = False

    def want(self, requests: Sequence[Request]) -> None:
        """May be called at every frame; what is being made, or made and not yet `taken`, is not made twice."""
        with self._told:
            self._wanted = [r for r in requests if (r.key, r.stamp) not in self._given]
            self._told.notify()

    def taken(self, tile: Tile) -> None:
        """The tile has arrived."""
        with self._told:
            self._given.discard((tile.key, tile.stamp))

    def close(self) -> None:
        """End after the tile that is being made."""
        with self._told:
            self._closed = True
            self._told.notify()
        self.wait()

    def run(self) -> None:
        """Runs in this thread; the only place where the window's pixels are read."""
        try:
            with open_raster(self._image) as reader:
                stretch = Stretch(reader.info, self._sample(reader))
                while (request := self._next()) is not None:
                    self.read.emit(self._made(reader, stretch, request))
        except CimgenError as error:
            self.failed.emit(error)

    def _next(self) -> Request | None:
        with self._told:
            while not self._wanted and not self._closed:
                self._told.wait()
            if self._closed:
                return None
            request = self._wanted.pop(0)
            self._given.add((request.key, request.stamp))
            return request

    def _sample(self, reader: RasterReader) -> Pixels:
        """Pixels to measure the range of values on."""
        if self.coarse_is_cheap:
            shape = tuple(max(1, min(512, side)) for side in self.grid.shape)
            return reader.read_overview(self.grid, *shape)
        side = 128
        rows = np.linspace(0, self.grid.height - side, 6).astype(int)
        cols = np.linspace(0, self.grid.width - side, 6).astype(int)
        parts = [reader.read(Window(int(r), int(c), side, side)) for r in rows for c in cols]
        return np.concatenate(parts)

    def _made(self, reader: RasterReader, stretch: Stretch, request: Request) -> Tile:
        """The tile, or a clear one where the file cannot be read: so it is told once and not asked for again."""
        try:
            return self._make(reader, stretch, request)
        except CimgenError as error:
            self.failed.emit(error)
            key = request.key
            argb = np.zeros((1, 1), np.uint32)
            window = tile_window(key.level, key.row, key.col, self.grid)
            return Tile(key, request.stamp, window, max(window.shape), label_image(argb), argb)

    def _make(self, reader: RasterReader, stretch: Stretch, request: Request) -> Tile:
        key = request.key
        window, step = tile_window(key.level, key.row, key.col, self.grid), 1 << key.level
        if key.layer == LABELS:
            argb = self._colours(read_labels(self._project, window, step, request.told.revision))
            return Tile(key, request.stamp, window, step, label_image(argb), argb)
        pixels = _read(reader, window, step)
        if key.layer == SCENE:
            self._lay(reader, pixels, window, step, request.told)
        argb = np.ascontiguousarray(stretch(pixels))
        return Tile(key, request.stamp, window, step, image_over(argb), argb)

    def _lay(self, reader: RasterReader, pixels: Pixels, window: Window, step: int, told: Told) -> None:
        """Lay what was accepted and what is proposed over the photo, chunk by chunk."""
        keys = set(self._project.keys(("pixels",), told.revision))
        for patch in told.patches:
            keys.update(chunk_keys(patch.window))
        for key in keys:
            chunk = chunk_window(key, self._project.grid)
            common = chunk.intersect(window)
            if not common:
                continue
            stored = self._project.read_chunk(("pixels",), key, told.revision)
            if stored is None and not any(p.window.intersect(chunk) for p in told.patches):
                continue
            whole = np.array(reader.read(chunk) if stored is None else stored)
            _propose(whole, reader, chunk, told.patches)
            row, col = (chunk.row - window.row) // step, (chunk.col - window.col) // step
            small = shrunk(whole, step)
            here = pixels[row : row + small.shape[0], col : col + small.shape[1]]
            here[:] = small[: here.shape[0], : here.shape[1]]


def _read(reader: RasterReader, window: Window, step: int) -> Pixels:
    if step == 1:
        return reader.read(window)
    return reader.read_overview(window, -(-window.height // step), -(-window.width // step))


def _propose(whole: Pixels, reader: RasterReader, chunk: Window, patches: Sequence[Patch]) -> None:
    for patch in patches:
        common = patch.window.intersect(chunk)
        if not common:
            continue
        here, there = common.slices(chunk), common.slices(patch.window)
        made = patch.mask[there]
        whole[here][made] = patch.pixels[there][made]
        back = patch.reverted[there]
        if back.any():
            whole[here][back] = reader.read(common)[back]


def shrunk(pixels: Pixels, step: int) -> Pixels:
    """The mean of every square of `step` pixels; the last row and column stand for what is missing there."""
    if step == 1:
        return pixels
    step = min(step, CHUNK)
    height, width, bands = pixels.shape
    pad = (-height % step, -width % step)
    if any(pad):
        pixels = np.pad(pixels, ((0, pad[0]), (0, pad[1]), (0, 0)), mode="edge")
    shape = (pixels.shape[0] // step, step, pixels.shape[1] // step, step, bands)
    mean = pixels.reshape(shape).mean(axis=(1, 3), dtype=np.float32)
    return mean.astype(pixels.dtype) if pixels.dtype.kind == "f" else np.rint(mean).astype(pixels.dtype)


def samples(start: int, size: int, step: int, low: int, high: int) -> tuple[NDArray[np.int64], int]:
    """Rows (or columns) of the image that a tile of classes shows from `low` to before `high`, and the first's place.

    A coarse tile shows the class in the middle of each square; mixing classes would make others.
    """
    count = -(-size // step)
    places = np.minimum(np.arange(count, dtype=np.int64) * step + step // 2, size - 1) + start
    first, last = np.searchsorted(places, (low, high))
    return places[first:last], int(first)


def read_labels(project: Project, window: Window, step: int, revision: int) -> Labels:
    """Edited classes of `window`, one for every `step` pixels."""
    shape = -(-window.height // step), -(-window.width // step)
    out: NDArray[Any] = np.zeros(shape, np.uint8)
    for key in chunk_keys(window):
        part = chunk_window(key, project.grid).intersect(window)
        rows, row = samples(window.row, window.height, step, part.row, part.bottom)
        cols, col = samples(window.col, window.width, step, part.col, part.right)
        chunk = project.read_chunk(LABEL_LAYERS, key, revision) if rows.size and cols.size else None
        if chunk is not None:
            seen = chunk[(rows - key[0] * CHUNK)[:, None], cols - key[1] * CHUNK]
            out[row : row + rows.size, col : col + cols.size] = seen
    return out
