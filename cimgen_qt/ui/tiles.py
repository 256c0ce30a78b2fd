"""Tiles of the scene as pictures: read in a thread with its own file handle, kept within a limit of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Labels
from cimgen_qt.core.scene import Scene
from cimgen_qt.ui.compat import QtCore, QtGui, Signal
from cimgen_qt.ui.images import Argb, ClassColours
from cimgen_qt.ui.tile_reader import LABELS, Request, Tile, TileKey, TileReader, Told, samples
from cimgen_qt.ui.view import TILE, View, tile_window, top_level

CACHE_BYTES = 384 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and the part of it that shows `window`; `window` is in pixels of the image."""

    image: QtGui.QImage
    part: QtCore.QRectF
    window: QtCore.QRectF


class TileCache(QtCore.QObject):
    """What the canvas draws. Never reads a file: what is missing is asked for, and `changed` tells when it came."""

    changed = Signal(object)
    """The window of the image that looks different now."""
    failed = Signal(object)
    """A CimgenError: the image cannot be read there."""

    def __init__(self, reader: TileReader, colours: ClassColours, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.grid = reader.grid
        self.reader = reader
        self._colours = colours
        self._tiles: OrderedDict[TileKey, Tile] = OrderedDict()
        self._bytes = 0
        self._stamp = 0
        self._log: list[tuple[int, frozenset[str], Window]] = []
        self._told = Told(0, ())
        self._missing: dict[TileKey, None] = {}
        self._live: tuple[Scene, Window] | None = None
        reader.read.connect(self._on_read)
        reader.failed.connect(self.failed)
        reader.start()

    def close(self) -> None:
        """End the thread."""
        self.reader.close()

    # --- drawing -------------------------------------------------------------------------------------------------

    def begin(self, whole: bool) -> None:
        """Start a frame; a `whole` one forgets what an earlier one asked for, a partial one adds to it."""
        if whole:
            self._missing = {}

    def tiles(self, layer: str, view: View, shown: Window, ratio: float) -> list[Drawn]:
        """What to draw for the pixels `shown`, coarser parents where the right tile is not here yet."""
        level = min(view.level(ratio), top_level(self.grid))
        side = TILE << level
        drawn = []
        for row in range(shown.row // side, -(-shown.bottom // side)):
            for col in range(shown.col // side, -(-shown.right // side)):
                found = self._find(TileKey(layer, level, row, col))
                if found is not None:
                    drawn.append(found)
        return drawn

    def finish(self, centre: tuple[float, float]) -> bool:
        """End a frame: ask for what is missing, the middle of the screen first. True where nothing is missing."""

        def far(key: TileKey) -> tuple[int, float]:
            side = TILE << key.level
            return -key.level, abs((key.row + 0.5) * side - centre[0]) + abs((key.col + 0.5) * side - centre[1])

        keys = sorted(self._missing, key=far)
        self.reader.want([Request(key, self._stamp, self._told) for key in keys])
        return not keys

    def _find(self, key: TileKey) -> Drawn | None:
        window = tile_window(key.level, key.row, key.col, self.grid)
        if not window:
            return None
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        if tile is None or not tile.fresh:
            self._missing[key] = None
        parent = key
        while tile is None and parent.level < top_level(self.grid):
            parent = TileKey(key.layer, parent.level + 1, parent.row // 2, parent.col // 2)
            tile = self._tiles.get(parent)
        if tile is None:
            top = TileKey(key.layer, top_level(self.grid), 0, 0)
            if self.reader.coarse_is_cheap:
                self._missing[top] = None
            return None
        return _part(tile, window)

    # --- changes -------------------------------------------------------------------------------------------------

    def tell(self, told: Told, layers: frozenset[str], window: Window) -> None:
        """The scene looks different in `window` from now on; old tiles are drawn until new ones arrive."""
        self._told, self._live = told, None
        self._stamp += 1
        self._log.append((self._stamp, layers, window))
        for key, tile in self._tiles.items():
            if key.layer in layers and tile.window.intersect(window):
                self._tiles[key] = replace(tile, fresh=False)
        self.changed.emit(window)

    def paint(self, scene: Scene, window: Window) -> None:
        """Show the stroke that is being drawn at once, in the tiles that are here and in those that arrive."""
        self._live = (scene, window.union(self._live[1]) if self._live is not None else window)
        for key, tile in self._tiles.items():
            if key.layer == LABELS and tile.window.intersect(window):
                self._paint(tile, scene, window)

    def _paint(self, tile: Tile, scene: Scene, window: Window) -> None:
        common = tile.window.intersect(window)
        rows, row = samples(tile.window.row, tile.window.height, tile.step, common.row, common.bottom)
        cols, col = samples(tile.window.col, tile.window.width, tile.step, common.col, common.right)
        if not rows.size or not cols.size:
            return
        labels: Labels = scene.read_labels(common)
        seen = labels[(rows - common.row)[:, None], cols - common.col]
        argb: Argb = tile.argb
        argb[row : row + rows.size, col : col + cols.size] = self._colours(seen, row, col)

    def _on_read(self, tile: Tile) -> None:
        self.reader.taken(tile)
        self._missing.pop(tile.key, None)
        if self._live is not None and tile.key.layer == LABELS:
            self._paint(tile, *self._live)
        late = any(s > tile.stamp and tile.key.layer in ls and w.intersect(tile.window) for s, ls, w in self._log)
        old = self._tiles.pop(tile.key, None)
        self._bytes += tile.argb.nbytes - (old.argb.nbytes if old is not None else 0)
        self._tiles[tile.key] = replace(tile, fresh=not late)
        self._log = [entry for entry in self._log if entry[0] > tile.stamp]
        while self._bytes > CACHE_BYTES:
            self._bytes -= self._tiles.popitem(last=False)[1].argb.nbytes
        self.changed.emit(tile.window)


def as_rect(window: Window) -> QtCore.QRectF:
    """`window` in Qt's words, in pixels of the image."""
    return QtCore.QRectF(window.col, window.row, window.width, window.height)


def covers(layer: Sequence[Drawn], shown: Window) -> bool:
    """Whether the pictures leave nothing of `shown` clear, so that nothing has to be drawn behind them."""
    if any(drawn.image.hasAlphaChannel() for drawn in layer):
        return False
    parts = [drawn.window.intersected(as_rect(shown)) for drawn in layer]
    return sum(part.width() * part.height() for part in parts) >= shown.area


def _part(tile: Tile, window: Window) -> Drawn:
    """The part of a picture that shows `window`, which its tile contains."""
    height, width = tile.argb.shape
    down, across = height / tile.window.height, width / tile.window.width
    left, top = (window.col - tile.window.col) * across, (window.row - tile.window.row) * down
    part = QtCore.QRectF(left, top, window.width * across, window.height * down)
    return Drawn(tile.image, part, as_rect(window))
