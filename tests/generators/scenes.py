"""A small scene in memory, for tests of generators; keeps the protocol SceneView."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cimgen_qt.core.generator import Request
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo


@dataclass
class MemoryScene:
    """Arrays of a whole scene; `scope` is where `labels` and `map` differ unless it is given."""

    photo: Pixels
    map: Labels
    labels: Labels
    scope: Mask | None = None
    valid: Mask | None = None
    palette: Palette = field(default=DEFAULT_PALETTE)
    alpha: int | None = None
    nodata: float | None = None

    @property
    def grid(self) -> Grid:
        return Grid(self.photo.shape[1], self.photo.shape[0])

    @property
    def info(self) -> RasterInfo:
        bands = self.photo.shape[2]
        return RasterInfo("memory.tif", self.grid, bands, str(self.photo.dtype), (self.nodata,) * bands, self.alpha)

    def read_photo(self, window: Window) -> Pixels:
        return self._cut(self.photo, window)

    def read_valid(self, window: Window) -> Mask:
        valid = np.ones(self.map.shape, bool) if self.valid is None else self.valid
        return self._cut(valid, window)

    def read_map(self, window: Window) -> Labels:
        return self._cut(self.map, window)

    def read_labels(self, window: Window) -> Labels:
        return self._cut(self.labels, window)

    def read_scope(self, window: Window) -> Mask:
        return self._cut(self.labels != self.map if self.scope is None else self.scope, window)

    def request(self, window: Window, seed: int = 1) -> Request:
        """What a render would ask for: the scope under `window`, which lies inside the grid."""
        return Request(
            window,
            self.read_labels(window),
            self.read_photo(window),
            self.read_scope(window),
            self.read_valid(window),
            seed,
        )

    def _cut(self, array: np.ndarray, window: Window) -> np.ndarray:
        assert self.grid.window.contains(window), f"{window} lies outside the scene"
        return array[window.slices()].copy()
