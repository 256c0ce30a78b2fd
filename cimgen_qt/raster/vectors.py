"""Burn vectors into classes: by attribute or by OpenStreetMap's tags, in order, lines as wide as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster.meanings import Meanings, Unknown, meanings_of
from cimgen_qt.raster.shapes_in import Features, image_box, read_features

DEFAULT_WIDTH = 3.0
"""Metres of a line whose class has no width."""
STRIP = 8192
"""Columns that are burned at a time: a shape that lies on many chunks is not burned for each."""
_FIRST_UNKNOWN = 256
"""Burned numbers from here on stand for values without a class."""


class VectorLayer:
    """All features as polygons in pixel coordinates, the lowest first; a pixel whose middle is covered is theirs."""

    kind = "vectors"
    misregistration: tuple[float, float] | None = None
    resampled = False

    def __init__(
        self,
        path: Path,
        grid: Grid,
        palette: Palette,
        field: str | None,
        class_name: str | None,
        table: Mapping[str, int] | None,
        layer: str | None,
    ) -> None:
        features = read_features(path, grid, layer)
        if not shapely.intersects(features.shapes, image_box(grid)).any():
            raise MapError(f"nothing in {path.name} lies on the image", hint="Is its CRS the right one?")
        self.notes = list(features.notes)
        self._grid = grid
        self._unknown: list[str] = []
        meant = meanings_of(path, features, palette, field, class_name, table)
        self._shapes, self._burnt = self._burnable(features, meant)
        if not (self._burnt < _FIRST_UNKNOWN).any():
            raise MapError(
                f"no feature of {path.name} stands for a class of palette {palette.name}",
                hint="Give a value-to-class table with --table, or another --field.",
            )
        self._tree = shapely.STRtree(self._shapes)
        self._strip: tuple[Window, NDArray[np.int32]] | None = None

    def read(self, window: Window, unmapped: Counter[str]) -> Labels:
        burnt = self._burn(window)
        numbers, counts = np.unique(burnt[burnt >= _FIRST_UNKNOWN], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            unmapped[self._unknown[number - _FIRST_UNKNOWN]] += count
        labels: Labels = np.where(burnt < _FIRST_UNKNOWN, burnt, 0).astype(np.uint8)
        return labels

    def close(self) -> None:
        return None

    def _burn(self, window: Window) -> NDArray[np.int32]:
        """From the strip that is held, if `window` lies in it: chunks are asked for row by row."""
        if self._strip is None or not self._strip[0].contains(window):
            col = window.col // STRIP * STRIP
            width = max(STRIP, window.right - col)
            strip = Window(window.row, col, window.height, width).intersect(self._grid.window)
            self._strip = strip, self._burn_strip(strip)
        strip, burnt = self._strip
        return burnt[window.slices(strip)]

    def _burn_strip(self, strip: Window) -> NDArray[np.int32]:
        hits = np.sort(self._tree.query(shapely.box(strip.col, strip.row, strip.right, strip.bottom)))
        if not hits.size:
            return np.zeros(strip.shape, np.int32)
        pairs = [(self._shapes[n], int(self._burnt[n])) for n in hits]
        moved = Affine.translation(strip.col, strip.row)
        burnt: NDArray[np.int32] = rasterize(pairs, out_shape=strip.shape, transform=moved, fill=0, dtype="int32")
        return burnt

    def _burnable(self, features: Features, meant: Meanings) -> tuple[Any, NDArray[np.int32]]:
        """Polygons in (column, row) and what each is burned as, from the ground up: unknown ones lie lowest."""
        found: list[tuple[tuple[int, int, int], Any, int]] = []
        points = foreign = 0
        numbers: dict[str, int] = {}
        in_pixels = shapely.transform(features.shapes, self._to_pixels)
        for shape, meaning in zip(in_pixels, meant, strict=True):
            width = getattr(meaning, "width", None)
            area = None if meaning is None else self._area(shape, width or DEFAULT_WIDTH)
            foreign += meaning is None
            points += meaning is not None and area is None
            if meaning is None or area is None or area.is_empty:
                continue
            if isinstance(meaning, Unknown):
                number = numbers.setdefault(meaning.value, len(numbers))
                found.append(((0, 0, 0), area, _FIRST_UNKNOWN + number))
            else:
                found.append(((1, *meaning.order), area, meaning.class_id))
        self._unknown = list(numbers)
        self._tell(points, foreign, any(shape.geom_type.endswith("LineString") for shape in in_pixels))
        found.sort(key=lambda entry: entry[0])
        shapes = np.array([area for _, area, _ in found], dtype=object)
        return shapes, np.array([number for _, _, number in found], np.int32)

    def _tell(self, points: int, foreign: int, lines: bool) -> None:
        if points:
            self.notes.append(f"{points} points were left out: only lines and areas are burned")
        if foreign:
            self.notes.append(f"{foreign} features were left out: their tags stand for no ground, or for a tunnel")
        if lines and self._grid.pixel_size is None:
            self.notes.append("the image has no known pixel size: widths of lines were taken as pixels")

    def _to_pixels(self, xy: Any) -> Any:
        rows, cols = self._grid.row_col(xy[:, 0], xy[:, 1])
        return np.column_stack([cols, rows])

    def _area(self, shape: Any, width: float) -> Any:
        """A line as the area it covers; None for points. Metres are those of the image's pixels, in both directions."""
        if shape.geom_type in ("Polygon", "MultiPolygon"):
            return shape
        if shape.geom_type == "GeometryCollection":
            parts = [self._area(part, width) for part in shape.geoms if "Point" not in part.geom_type]
            return shapely.union_all([part for part in parts if part is not None]) if parts else None
        if "Point" in shape.geom_type:
            return None
        down, across = self._grid.pixel_size or (1.0, 1.0)
        metres = shapely.transform(shape, lambda xy: xy * (across, down))
        area = shapely.buffer(metres, width / 2, cap_style="flat", join_style="round")
        return shapely.transform(area, lambda xy: xy / (across, down))
