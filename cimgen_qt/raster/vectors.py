"""Burn vectors into classes: by attribute or by OpenStreetMap's tags, in order, lines as wide as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from rasterio.features import rasterize

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette, SemanticClass
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster import osm
from cimgen_qt.raster.shapes_in import Features, image_box, read_features

DEFAULT_WIDTH = 3.0
"""Metres of a line whose class has no width."""


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
        self._unknown: Counter[str] = Counter()
        meant = self._meanings(path, features, palette, field, class_name, table)
        self._shapes, self._ids = self._burnable(features, meant, palette)
        self._tree = shapely.STRtree(self._shapes)
        if not len(self._shapes):
            raise MapError(
                f"no feature of {path.name} stands for a class of palette {palette.name}",
                hint="Give a value-to-class table with --table, or another --field.",
            )

    def read(self, window: Window, unmapped: Counter[str]) -> Labels:
        unmapped.update(self._unknown)
        self._unknown.clear()
        box = shapely.box(window.col, window.row, window.right, window.bottom)
        hits = np.sort(self._tree.query(box))
        if not hits.size:
            return np.zeros(window.shape, np.uint8)
        moved = shapely.transform(self._shapes[hits], lambda xy: xy - (window.col, window.row))
        pairs = [(shape, int(self._ids[n])) for shape, n in zip(moved, hits, strict=True)]
        burnt: Labels = rasterize(pairs, out_shape=window.shape, fill=0, dtype="uint8")
        return burnt

    def close(self) -> None:
        return None

    def _meanings(
        self,
        path: Path,
        features: Features,
        palette: Palette,
        field: str | None,
        class_name: str | None,
        table: Mapping[str, int] | None,
    ) -> list[osm.Meaning | None]:
        count = len(features.shapes)
        if field is not None:
            if field not in features.columns:
                raise MapError(f"{path.name} has no field {field!r}", hint=f"It has: {', '.join(features.columns)}.")
            return [self._by_value(value, palette, table) for value in features.columns[field]]
        if class_name is not None:
            return [osm.Meaning(palette.find(class_name).name)] * count
        tags = [key for key in (*osm.KEYS, "width", "lanes", "oneway", "tunnel", "layer") if key in features.columns]
        if not set(tags) & set(osm.KEYS):
            raise MapError(
                f"which class are the features of {path.name}?",
                hint=f"Give --class NAME, or --field with one of: {', '.join(features.columns) or 'it has no fields'}.",
            )
        return [self._by_tags({key: features.columns[key][n] for key in tags}) for n in range(count)]

    def _by_value(self, value: Any, palette: Palette, table: Mapping[str, int] | None) -> osm.Meaning | None:
        text = "" if value is None else f"{value:g}" if isinstance(value, float | np.floating) else str(value)
        if table is not None:
            known = palette.get(table[text]) if text in table else None
        else:
            known = next((c for c in palette if text.casefold() in _names(c)), None)
        if known is None:
            self._unknown[text or "(empty)"] += 1
            return None
        return osm.Meaning(known.name)

    def _by_tags(self, tags: Mapping[str, Any]) -> osm.Meaning | None:
        meaning = osm.meaning_of(tags)
        if meaning is None:
            self._unknown["other tags"] += 1
        return meaning

    def _burnable(self, features: Features, meant: list[osm.Meaning | None], palette: Palette) -> tuple[Any, list[int]]:
        """Polygons in (column, row), sorted from the ground up; lines widened, points left out."""
        found: list[tuple[tuple[int, int], int, Any]] = []
        points = 0
        in_pixels = shapely.transform(features.shapes, self._to_pixels)
        for number, (shape, meaning) in enumerate(zip(in_pixels, meant, strict=True)):
            known = (
                None if meaning is None else next((c for c in palette if meaning.name in (c.name, *c.aliases)), None)
            )
            if meaning is None or known is None:
                self._unknown.update([] if meaning is None else [meaning.name])
                continue
            burnt = self._widened(shape, meaning.width or known.width or DEFAULT_WIDTH)
            points += burnt is None
            if burnt is not None and not burnt.is_empty:
                found.append(((meaning.level, _height(known)), number, (burnt, known.id)))
        if points:
            self.notes.append(f"{points} points were left out: only lines and areas are burned")
        found.sort(key=lambda entry: entry[:2])
        shapes = np.array([entry[2][0] for entry in found], dtype=object)
        return shapes, [entry[2][1] for entry in found]

    def _to_pixels(self, xy: Any) -> Any:
        rows, cols = self._grid.row_col(xy[:, 0], xy[:, 1])
        return np.column_stack([cols, rows])

    def _widened(self, shape: Any, width: float) -> Any:
        """A line as the area it covers; None for points. Metres are those of the image's pixels, in both directions."""
        if shape.geom_type in ("Polygon", "MultiPolygon"):
            return shape
        lines = shape if shape.geom_type in ("LineString", "MultiLineString") else None
        if lines is None:
            parts = [p for p in getattr(shape, "geoms", ()) if "Point" not in p.geom_type]
            return shapely.union_all([self._widened(p, width) for p in parts]) if parts else None
        size = self._grid.pixel_size or (1.0, 1.0)
        metres = shapely.transform(lines, lambda xy: xy * (size[1], size[0]))
        area = shapely.buffer(metres, width / 2, cap_style="flat", join_style="round")
        return shapely.transform(area, lambda xy: xy / (size[1], size[0]))


def _names(known: SemanticClass) -> set[str]:
    return {known.name.casefold(), str(known.id), *(a.casefold() for a in known.aliases)}


def _height(known: SemanticClass) -> int:
    """Place in the order from the ground up; classes it does not know lie lowest."""
    names = _names(known)
    return next((n for n, name in enumerate(osm.ORDER, start=1) if name in names), 0)
