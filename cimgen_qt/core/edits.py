"""What a user can do to the map: each edit is a value that knows which pixels it covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from cimgen_qt.core.chunks import chunk_keys, chunk_window
from cimgen_qt.core.errors import MapError
from cimgen_qt.core.flood import flood
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Labels, Mask
from cimgen_qt.core.shapes import Point, box, polygon_mask, stroke_mask

Piece = tuple[Window, Mask]


class LabelView(Protocol):
    """The map that an edit is made on."""

    @property
    def grid(self) -> Grid: ...

    def read_labels(self, window: Window) -> Labels: ...


@dataclass(frozen=True, slots=True)
class Stroke:
    """A brush drawn along `points` (row, col). `radius` is in columns; `aspect` is a pixel's height over its width.

    `flat` makes it a line with cut-off ends, as a road is.
    """

    points: tuple[Point, ...]
    radius: float
    shape: str = "round"
    aspect: float = 1.0
    flat: bool = False

    def pieces(self, view: LabelView) -> Iterator[Piece]:
        rows, cols = self.radius / self.aspect, self.radius
        for window in _chunks(box(self.points, rows, cols), view.grid):
            yield window, stroke_mask(self.points, rows, cols, self.shape, window, self.flat)


@dataclass(frozen=True, slots=True)
class Polygon:
    """Closed rings of (row, col); inside is what an odd number of rings encloses."""

    rings: tuple[tuple[Point, ...], ...]

    def pieces(self, view: LabelView) -> Iterator[Piece]:
        bounds = box([p for ring in self.rings for p in ring], 0, 0)
        for window in _chunks(bounds, view.grid):
            yield window, polygon_mask(self.rings, window)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Whole pixels from (`row`, `col`) on."""

    row: int
    col: int
    height: int
    width: int

    def pieces(self, view: LabelView) -> Iterator[Piece]:
        for window in _chunks(Window(self.row, self.col, self.height, self.width), view.grid):
            yield window, np.ones(window.shape, bool)


@dataclass(frozen=True, slots=True)
class Fill:
    """All pixels of the class at (`row`, `col`): those connected with it by their sides, or `everywhere`."""

    row: int
    col: int
    everywhere: bool = False

    def pieces(self, view: LabelView) -> Iterator[Piece]:
        seed = Window(self.row, self.col, 1, 1)
        if not view.grid.window.contains(seed):
            raise MapError(f"the point {self.row}, {self.col} lies outside the image", hint="Point inside the image.")
        class_id = int(view.read_labels(seed)[0, 0])
        if not self.everywhere:
            yield from flood(view.grid, lambda w: view.read_labels(w) == class_id, self.row, self.col)
            return
        for window in _chunks(view.grid.window, view.grid):
            mask = view.read_labels(window) == class_id
            if mask.any():
                yield window, mask


Shape = Stroke | Polygon | Rectangle | Fill
_SHAPES: dict[str, type[Any]] = {"stroke": Stroke, "polygon": Polygon, "rectangle": Rectangle, "fill": Fill}


@dataclass(frozen=True, slots=True)
class Edit:
    """Give the pixels of `shape` a class; `class_id` None restores what the original map and photo hold there.

    Pixels of a class in `protect` stay as they are.
    """

    shape: Shape
    class_id: int | None
    protect: frozenset[int] = field(default_factory=frozenset)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as the project keeps them."""
        kind = next(name for name, known in _SHAPES.items() if isinstance(self.shape, known))
        values = asdict(self.shape)
        return {"shape": kind, "with": values, "class": self.class_id, "protect": sorted(self.protect)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Edit:
        """The inverse of `to_json`. Raises `MapError` on anything else."""
        try:
            values = dict(data["with"])
            if "points" in values:
                values["points"] = _points(values["points"])
            if "rings" in values:
                values["rings"] = tuple(_points(ring) for ring in values["rings"])
            class_id = None if data["class"] is None else int(data["class"])
            return cls(_SHAPES[data["shape"]](**values), class_id, frozenset(map(int, data.get("protect", ()))))
        except (KeyError, TypeError, ValueError) as error:
            raise MapError(f"an edit cannot be understood: {error}", hint="See docs: edits are JSON.") from error


def _points(data: Any) -> tuple[Point, ...]:
    points = tuple((float(p[0]), float(p[1])) for p in data)
    if not points or not np.isfinite(np.asarray(points)).all():
        raise ValueError("a shape needs points that are finite numbers")
    return points


def _chunks(window: Window, grid: Grid) -> Iterator[Window]:
    """`window` cut along chunks and at the edge of the grid."""
    inside = window.intersect(grid.window)
    for key in chunk_keys(inside):
        yield chunk_window(key, grid).intersect(inside)
