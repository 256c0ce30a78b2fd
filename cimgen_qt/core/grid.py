"""Where pixels lie: `Window`, the only rectangle, and `Grid`, size + affine transform + CRS."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from cimgen_qt.core.crs import Crs


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Pixels from (`row`, `col`) on; may lie outside the grid until it is clipped."""

    row: int
    col: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """One row past the last."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """One column past the last."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def area(self) -> int:
        return max(0, self.height) * max(0, self.width)

    def __bool__(self) -> bool:
        return self.height > 0 and self.width > 0

    def intersect(self, other: Window) -> Window:
        """The common part; empty (False) where there is none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window(row, col, max(0, bottom - row), max(0, right - col))

    def union(self, other: Window) -> Window:
        """The smallest window round both; an empty one counts for nothing."""
        if not self:
            return other
        if not other:
            return self
        row, col = min(self.row, other.row), min(self.col, other.col)
        return Window(row, col, max(self.bottom, other.bottom) - row, max(self.right, other.right) - col)

    def padded(self, margin: int) -> Window:
        return Window(self.row - margin, self.col - margin, self.height + 2 * margin, self.width + 2 * margin)

    def contains(self, other: Window) -> bool:
        return self.intersect(other) == other

    def shifted(self, rows: int, cols: int) -> Window:
        return replace(self, row=self.row + rows, col=self.col + cols)

    def slices(self, origin: Window | None = None) -> tuple[slice, slice]:
        """Slices of this window in an array that begins at `origin` (or at 0, 0)."""
        row, col = (origin.row, origin.col) if origin is not None else (0, 0)
        return slice(self.row - row, self.bottom - row), slice(self.col - col, self.right - col)


@dataclass(frozen=True)
class Grid:
    """`transform` is (a, b, c, d, e, f): x = a*col + b*row + c, y = d*col + e*row + f, of pixel corners.

    `crs` is WKT, or None. Rotated, sheared, south-up and non-square transforms are all right.
    """

    width: int
    height: int
    transform: tuple[float, float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    crs: str | None = None

    @property
    def window(self) -> Window:
        return Window(0, 0, self.height, self.width)

    @property
    def is_georeferenced(self) -> bool:
        """False for a picture without a position: pixel coordinates only."""
        return self.transform != (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def xy(self, row: float, col: float) -> tuple[float, float]:
        """Map coordinates of a point in pixel coordinates (0, 0 is the outer corner of the first pixel)."""
        a, b, c, d, e, f = self.transform
        return a * col + b * row + c, d * col + e * row + f

    def row_col(self, x: float, y: float) -> tuple[float, float]:
        """The inverse of `xy`."""
        a, b, c, d, e, f = self.transform
        determinant = a * e - b * d
        dx, dy = x - c, y - f
        return (a * dy - d * dx) / determinant, (e * dx - b * dy) / determinant

    def same_place(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """True where size and corners agree within `tolerance` pixels and the CRS text is the same."""
        if self.window != other.window or self.crs != other.crs:
            return False
        corners = ((0, 0), (0, self.width), (self.height, 0), (self.height, self.width))
        return all(
            max(abs(got - wanted) for got, wanted in zip(self.row_col(*other.xy(*p)), p, strict=True)) <= tolerance
            for p in corners
        )

    @cached_property
    def pixel_size(self) -> tuple[float, float] | None:
        """Metres on the ground from one row and from one column to the next, at the middle of the grid.

        None where the position or the unit is not known. Geographic CRSs are measured on their ellipsoid; Mercator
        projections are freed of their stretch; other projected CRSs are taken at their word.
        """
        if self.crs is None or not self.is_georeferenced:
            return None
        a, b, _, d, e, _ = self.transform
        scale = Crs(self.crs).metres_per_unit(*self.xy(self.height / 2, self.width / 2))
        if scale is None:
            return None
        return math.hypot(b * scale[0], e * scale[1]), math.hypot(a * scale[0], d * scale[1])

    @property
    def metres_per_pixel(self) -> float | None:
        """The geometric mean of both directions."""
        size = self.pixel_size
        return None if size is None else math.sqrt(size[0] * size[1])

    @property
    def pixel_area(self) -> float | None:
        """Square metres of a pixel at the middle of the grid."""
        if self.crs is None or not self.is_georeferenced:
            return None
        a, b, _, d, e, _ = self.transform
        scale = Crs(self.crs).metres_per_unit(*self.xy(self.height / 2, self.width / 2))
        return None if scale is None else abs(a * e - b * d) * scale[0] * scale[1]
