"""A stroke while it is drawn: shown at once, on disk only when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from cimgen_qt.core.chunks import Key, chunk_keys, chunk_window
from cimgen_qt.core.edits import Edit, Stroke
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Labels
from cimgen_qt.core.shapes import Point, box, stroke_mask

if TYPE_CHECKING:
    from cimgen_qt.core.snapshot import Snapshot

R = TypeVar("R")


class Brush(Generic[R]):
    """Move it, then finish or cancel it, once. Costs what lies under the pen, whatever the size of the raster."""

    def __init__(
        self,
        snapshot: Snapshot,
        class_id: int | None,
        radius: float,
        shape: str,
        aspect: float,
        protect: frozenset[int],
        end: Callable[[Brush[R]], R],
    ) -> None:
        self._snapshot = snapshot
        self._class_id = class_id
        self._radius = radius
        self._shape = shape
        self._aspect = aspect
        self._protect = protect
        self._end = end
        self._points: list[Point] = []
        self._chunks: dict[Key, Labels] = {}
        self._protected = np.zeros(256, bool)
        self._protected[sorted(protect)] = True
        self._cancelled = False

    @property
    def edit(self) -> Edit | None:
        """What was drawn so far; None after `cancel` or before the first move."""
        if self._cancelled or not self._points:
            return None
        stroke = Stroke(tuple(self._points), self._radius, self._shape, self._aspect)
        return Edit(stroke, self._class_id, self._protect)

    def move(self, row: float, col: float) -> Window:
        """Draw on to this point, in pixel coordinates; returns the window in which the map looks different now."""
        here = (row, col)
        last = self._points[-1] if self._points else here
        self._points.append(here)
        rows, cols = self._radius / self._aspect, self._radius
        grid = self._snapshot.grid
        dirty = box([last, here], rows, cols).intersect(grid.window)
        for key in chunk_keys(dirty):
            self._draw(key, (last, here), dirty.intersect(chunk_window(key, grid)))
        return dirty

    def _draw(self, key: Key, step: tuple[Point, Point], part: Window) -> None:
        whole = chunk_window(key, self._snapshot.grid)
        if key not in self._chunks:
            self._chunks[key] = self._snapshot.read_labels(whole)
        rows, cols = self._radius / self._aspect, self._radius
        points = step[:1] if step[0] == step[1] else step
        mask = stroke_mask(points, rows, cols, self._shape, part)
        labels = self._chunks[key][part.slices(whole)]
        if self._protect:
            mask &= ~self._protected[labels]
        np.copyto(labels, self._snapshot.read_map(part) if self._class_id is None else self._class_id, where=mask)

    def show(self, labels: Labels, window: Window) -> None:
        """Lay the stroke over `labels`, which were read at `window`."""
        for key in chunk_keys(window.intersect(self._snapshot.grid.window)):
            if key in self._chunks:
                whole = chunk_window(key, self._snapshot.grid)
                common = whole.intersect(window)
                labels[common.slices(window)] = self._chunks[key][common.slices(whole)]

    def finish(self) -> R:
        """End the stroke as one act; returns the change, or None where it changed nothing."""
        return self._end(self)

    def cancel(self) -> Window:
        """Forget the stroke; returns the window to be drawn again."""
        window = Window(0, 0, 0, 0)
        for key in self._chunks:
            window = window.union(chunk_window(key, self._snapshot.grid))
        self._cancelled = True
        self._end(self)
        return window
