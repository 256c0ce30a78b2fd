"""Which part of the image the canvas shows: screen points to pixels and back, zoom about a point, tile levels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cimgen_qt.core.grid import Window

TILE = 256
"""Side of a tile in its own pixels; a pixel of level n is 2**n pixels of the image wide."""
LARGEST_SCALE = 64.0


@dataclass(frozen=True, slots=True)
class View:
    """`scale` is screen points per pixel; (`top`, `left`) the pixel coordinates of the upper left screen corner."""

    scale: float = 1.0
    top: float = 0.0
    left: float = 0.0

    def to_screen(self, row: float, col: float) -> tuple[float, float]:
        """(x, y) on the screen."""
        return (col - self.left) * self.scale, (row - self.top) * self.scale

    def to_pixel(self, x: float, y: float) -> tuple[float, float]:
        """(row, col), the inverse of `to_screen`."""
        return self.top + y / self.scale, self.left + x / self.scale

    def moved(self, dx: float, dy: float) -> View:
        """The image follows the hand by (dx, dy) screen points."""
        return replace(self, top=self.top - dy / self.scale, left=self.left - dx / self.scale)

    def zoomed(self, factor: float, x: float, y: float, smallest: float) -> View:
        """`factor` times nearer, with the pixel under (x, y) staying there."""
        row, col = self.to_pixel(x, y)
        scale = min(LARGEST_SCALE, max(smallest, self.scale * factor))
        return View(scale, row - y / scale, col - x / scale)

    def level(self, ratio: float = 1.0) -> int:
        """The tile level whose pixels come nearest to the pixels of a screen with `ratio` pixels a point."""
        return max(0, round(-math.log2(self.scale * ratio)))

    def kept_near(self, grid: Window, width: float, height: float) -> View:
        """Moved so that at least the middle of the screen, or half the image, stays on the image."""
        top = min(max(self.top, grid.row - height / 2 / self.scale), grid.bottom - height / 2 / self.scale)
        left = min(max(self.left, grid.col - width / 2 / self.scale), grid.right - width / 2 / self.scale)
        return replace(self, top=top, left=left)


def fitted(window: Window, width: float, height: float, margin: float = 0.04) -> View:
    """`window` whole and in the middle of a screen of this size."""
    scale = min(width / max(1, window.width), height / max(1, window.height)) * (1 - margin)
    scale = min(LARGEST_SCALE, max(1e-6, scale))
    top = window.row + (window.height - height / scale) / 2
    left = window.col + (window.width - width / scale) / 2
    return View(scale, top, left)


def tile_window(level: int, row: int, col: int, grid: Window) -> Window:
    """The pixels of the image that a tile shows; cut off at the edge of the grid."""
    side = TILE << level
    return Window(row * side, col * side, side, side).intersect(grid)


def top_level(grid: Window) -> int:
    """The first level on which one tile shows the whole image."""
    return max(0, math.ceil(math.log2(max(1, *grid.shape) / TILE)))
