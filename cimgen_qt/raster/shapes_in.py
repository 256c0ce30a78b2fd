"""Read vector files: GeoPackage, GeoJSON and Shapefile, in the CRS of the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio.warp
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.guard import plain_file

_HINT = "Give a GeoPackage, a GeoJSON file or a Shapefile."
LARGEST_GEOJSON = 512 * 2**20
XY = tuple[float, float]


@dataclass(frozen=True)
class Features:
    """Geometries in the CRS of the image, with their attributes by name."""

    shapes: Any
    columns: dict[str, Any]
    notes: tuple[str, ...]


def read_features(path: Path, grid: Grid, layer: str | None = None) -> Features:
    """All features of one layer, mended where they were not valid. Raises `MapError`."""
    real = plain_file(path)
    _require_known(real)
    try:
        with restricted():
            meta, _, blobs, values = pyogrio.raw.read(str(real), layer=layer)
    except (DataSourceError, DataLayerError, FieldError, ValueError) as error:
        raise MapError(f"{path.name} cannot be read: {error}", hint=_HINT) from error
    if blobs is None or not len(blobs):
        raise MapError(f"{path.name} holds no features", hint=_HINT)
    shapes = shapely.from_wkb(blobs, on_invalid="fix")
    there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    notes = []
    broken = there & ~shapely.is_valid(shapes)
    if broken.any():
        shapes[broken] = shapely.make_valid(shapes[broken])
        notes.append(f"{int(broken.sum())} features were not valid and were mended")
    columns = {str(name): column[there] for name, column in zip(meta["fields"], values, strict=True)}
    shapes = _in_crs_of(grid, shapely.force_2d(shapes[there]), meta["crs"], path)
    return Features(shapes, columns, tuple(notes))


def read_polygons(path: Path, grid: Grid) -> list[list[list[XY]]]:
    """Polygons as rings of (x, y) in the CRS of the image, the outer one first. Raises `MapError` where none is."""
    polygons = [part for part in _parts(read_features(path, grid)) if part.geom_type == "Polygon"]
    _require_overlap(polygons, grid, path, "polygon")
    return [[_points(ring) for ring in (part.exterior, *part.interiors)] for part in polygons]


def read_lines(path: Path, grid: Grid) -> list[list[XY]]:
    """Lines as (x, y) in the CRS of the image. Raises `MapError` where there is none."""
    lines = [part for part in _parts(read_features(path, grid)) if part.geom_type in ("LineString", "LinearRing")]
    _require_overlap(lines, grid, path, "line")
    return [_points(part) for part in lines]


def image_box(grid: Grid) -> Any:
    """The ground of the image, as a polygon in its CRS."""
    corners = ((0, 0), (0, grid.width), (grid.height, grid.width), (grid.height, 0))
    return shapely.Polygon([grid.xy(row, col) for row, col in corners])


def _parts(features: Features) -> Iterator[Any]:
    waiting = list(features.shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if hasattr(shape, "geoms"):
            waiting.extend(list(shape.geoms)[::-1])
        else:
            yield shape


def _points(ring: Any) -> list[XY]:
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(ring)]


def _require_overlap(shapes: list[Any], grid: Grid, path: Path, what: str) -> None:
    if not shapes:
        raise MapError(f"{path.name} holds no {what}", hint=f"Give a vector file with a {what}.")
    if not shapely.intersects(np.array(shapes), image_box(grid)).any():
        raise MapError(f"no {what} of {path.name} lies on the image", hint="Is its CRS the right one?")


def _require_known(path: Path) -> None:
    """By content, not by name: a text that names other files is no vector file."""
    with path.open("rb") as file:
        head = file.read(512)
    is_json = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if is_json and path.stat().st_size > LARGEST_GEOJSON:
        raise MapError(f"{path.name} is too large for GeoJSON", hint="Save it as a GeoPackage.")
    if not (is_json or head.startswith(b"SQLite format 3\x00") or head.startswith(b"\x00\x00\x27\x0a")):
        raise MapError(f"{path.name} is no GeoPackage, GeoJSON or Shapefile", hint=_HINT)


def _in_crs_of(grid: Grid, shapes: Any, crs: str | None, path: Path) -> Any:
    """Without a CRS on either side coordinates are taken as they are."""
    if crs is None or grid.crs is None:
        return shapes
    try:
        with restricted():
            here, there = CRS.from_user_input(crs), CRS.from_wkt(grid.crs)
            if here == there:
                return shapes
            return shapely.transform(shapes, lambda xy: np.column_stack(rasterio.warp.transform(here, there, *xy.T)))
    except (CRSError, *GDAL_ERRORS, ValueError) as error:
        raise MapError(
            f"{path.name} cannot be brought into the CRS of the image: {error}", hint="Reproject it."
        ) from error
