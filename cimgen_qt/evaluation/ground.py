"""A photo and its map in memory, with a hole that is to be made: what a generator is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.core.regions import find_areas
from cimgen_qt.core.scope import Scope, scope_over


@dataclass(frozen=True)
class ArrayGround:
    """Keeps `core.render.Ground`: the map is as it was, so the photo is what a hole should look like.

    It has no position: models work on it pixel for pixel.
    """

    photo: Pixels
    labels: Labels
    palette: Palette
    revision: int = 0

    @property
    def grid(self) -> Grid:
        return Grid(self.labels.shape[1], self.labels.shape[0])

    @property
    def info(self) -> RasterInfo:
        bands = self.photo.shape[2]
        colours = ("red", "green", "blue")[:bands]
        return RasterInfo("ground", self.grid, bands, str(self.photo.dtype), (None,) * bands, colours=colours)

    def read_photo(self, window: Window) -> Pixels:
        return self.photo[window.row : window.bottom, window.col : window.right]

    def read_valid(self, window: Window) -> Mask:
        return np.ones(window.shape, np.bool_)

    def read_map(self, window: Window) -> Labels:
        return self.labels[window.row : window.bottom, window.col : window.right]

    def read_labels(self, window: Window) -> Labels:
        return self.read_map(window)

    def scope(self, hole: Mask) -> Scope:
        """The hole as the ground to be made."""
        return scope_over(self.grid, find_areas([(self.grid.window, hole)]), "hole")
