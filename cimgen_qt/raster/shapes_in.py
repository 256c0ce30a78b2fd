"""Read vector files: GeoPackage, GeoJSON and Shapefile, in the CRS of the image."""

from __future__ import annotations

import math
import warnings
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
from cimgen_qt.raster.geojson import read_geojson
from cimgen_qt.raster.guard import plain_file
from cimgen_qt.raster.untouched import untouched

_HINT = "Give a GeoPackage, a GeoJSON file or a Shapefile."
_GEOPACKAGE = (b"GPKG", b"GP10", b"GP11")
REACH = 100.0
"""Metres (pixels, where the image has no scale) round the image in which features are read: lines there are wide."""
FARTHEST = 1e12
"""Coordinates beyond this are no place on the earth, in no unit."""
XY = tuple[float, float]


@dataclass(frozen=True)
class Features:
    """Geometries in the CRS of the image, with their attributes by name."""

    shapes: Any
    columns: dict[str, Any]
    notes: tuple[str, ...]


def vector_kind(path: Path) -> str | None:
    """`geopackage`, `shapefile` or `geojson`, by content and not by name; None for anything else."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"SQLite format 3\x00") and head[68:72] in _GEOPACKAGE:
        return "geopackage"
    if head.startswith(b"\x00\x00\x27\x0a"):
        return "shapefile"
    return "geojson" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else None


def read_features(path: Path, grid: Grid, layer: str | None = None) -> Features:
    """The features of one layer that lie on the image or near it, mended where not valid. Raises `MapError`."""
    real, kind = _known(path)
    with untouched(real) as file:
        return _read_chosen(file, grid, layer, kind)


def _read_chosen(path: Path, grid: Grid, layer: str | None, kind: str) -> Features:
    layers = _layers(path, kind)
    names = ", ".join(map(str, layers))
    if layer is None and len(layers) > 1:
        raise MapError(f"{path.name} has {len(layers)} layers", hint=f"Give --layer with one of: {names}.")
    if layer is not None and layer not in layers:
        raise MapError(f"{path.name} has no layer {layer!r}", hint=f"It has: {names or 'one, without a name'}.")
    return _read_layer(path, grid, layer, kind)


def read_polygons(path: Path, grid: Grid) -> list[list[list[XY]]]:
    """Polygons as rings of (x, y) in the CRS of the image, the outer one first. Raises `MapError` where none is."""
    polygons = [part for part in _all_parts(path, grid) if part.geom_type == "Polygon"]
    _require_overlap(polygons, grid, path, "polygon")
    return [[_points(ring) for ring in (part.exterior, *part.interiors)] for part in polygons]


def read_lines(path: Path, grid: Grid) -> list[list[XY]]:
    """Lines as (x, y) in the CRS of the image. Raises `MapError` where there is none."""
    lines = [part for part in _all_parts(path, grid) if part.geom_type in ("LineString", "LinearRing")]
    _require_overlap(lines, grid, path, "line")
    return [_points(part) for part in lines]


def image_box(grid: Grid) -> Any:
    """The ground of the image, as a polygon in its CRS."""
    corners = ((0, 0), (0, grid.width), (grid.height, grid.width), (grid.height, 0))
    return shapely.Polygon([grid.xy(row, col) for row, col in corners])


def _known(path: Path) -> tuple[Path, str]:
    real = plain_file(path)
    try:
        kind = vector_kind(real)
    except OSError as error:
        raise MapError(f"{path.name} cannot be read: {error.strerror}", hint="Is the disk in order?") from error
    if kind is None:
        raise MapError(f"{path.name} is no GeoPackage, GeoJSON or Shapefile", hint=_HINT)
    return real, kind


def _layers(path: Path, kind: str) -> list[str | None]:
    """Names of the layers that have geometries; none for GeoJSON, which has no names."""
    if kind == "geojson":
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage that matters is told when the layer is read
            return [str(name) for name, geometry in pyogrio.list_layers(str(path)) if geometry is not None]
    except (DataSourceError, ValueError) as error:
        raise MapError(f"{path.name} cannot be read: {error}", hint=_HINT) from error


def _read_layer(path: Path, grid: Grid, layer: str | None, kind: str) -> Features:
    shapes, columns, crs = read_geojson(path) if kind == "geojson" else _read_near(path, grid, layer)
    if not len(shapes):
        raise MapError(f"{path.name} holds no features", hint=_HINT)
    usable = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes)) & _finite(shapes)
    if not usable.any():
        raise MapError(f"no feature of {path.name} has a geometry that can be used", hint="Is the file damaged?")
    shapes = shapely.force_2d(shapes[usable])
    broken = ~shapely.is_valid(shapes)
    if broken.any():
        shapes[broken] = shapely.make_valid(shapes[broken])
    shapes = _in_crs_of(grid, _near(shapes, _box_in(crs, grid)), crs, path)
    placed = _finite(shapes) | shapely.is_empty(shapes)
    lost = len(usable) - int(placed.sum())
    notes = [
        *([f"{lost} features have no geometry that can be used"] if lost else []),
        *([f"{int(broken.sum())} features were not valid and were mended"] if broken.any() else []),
        *([f"{path.name} has no CRS: taken to be in that of the image"] if crs is None and grid.crs else []),
    ]
    kept = placed & ~shapely.is_empty(shapes)
    rows = np.nonzero(usable)[0][kept]
    return Features(shapes[kept], {name: column[rows] for name, column in columns.items()}, tuple(notes))


def _near(shapes: Any, box: tuple[float, float, float, float] | None) -> Any:
    """Cut off what lies far from the image: it costs time and cannot always be brought into another CRS."""
    if box is None:
        return shapes
    bounds = shapely.bounds(shapes)
    far = (bounds[:, :2] < box[:2]).any(axis=1) | (bounds[:, 2:] > box[2:]).any(axis=1)
    shapes[far] = shapely.clip_by_rect(shapes[far], *box)
    return shapes


def _read_near(path: Path, grid: Grid, layer: str | None) -> tuple[Any, dict[str, Any], str | None]:
    """Only what lies near the image is read: a file may hold a whole country."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of measures and rings; what was mended is told by us
            info = pyogrio.read_info(str(path), layer=layer)
            box = _box_in(info["crs"], grid)
            meta, _, blobs, values = pyogrio.raw.read(str(path), layer=layer, bbox=box)
    except (DataSourceError, DataLayerError, FieldError, ValueError) as error:
        raise MapError(f"{path.name} cannot be read: {error}", hint=_HINT) from error
    if blobs is None:
        raise MapError(f"{path.name} holds no geometries", hint=_HINT)
    if not len(blobs) and info["features"]:
        raise MapError(f"nothing in {path.name} lies on the image", hint="Is its CRS the right one?")
    columns = {str(name): column for name, column in zip(meta["fields"], values, strict=True)}
    return shapely.from_wkb(blobs, on_invalid="ignore"), columns, meta["crs"]


def _box_in(crs: str | None, grid: Grid) -> tuple[float, float, float, float] | None:
    """The image and some ground round it in the CRS of a file; None where that cannot be told."""
    pad = math.ceil(REACH / (grid.metres_per_pixel or 1.0))
    corners = [grid.xy(r, c) for r in (-pad, grid.height + pad) for c in (-pad, grid.width + pad)]
    xs, ys = zip(*corners, strict=True)
    box = (min(xs), min(ys), max(xs), max(ys))
    if crs is None or grid.crs is None:
        return box
    try:
        with restricted():
            found = rasterio.warp.transform_bounds(CRS.from_wkt(grid.crs), CRS.from_user_input(crs), *box)
    except (CRSError, *GDAL_ERRORS, ValueError):
        return None
    west, south, east, north = (float(v) for v in found)
    return (west, south, east, north) if west < east and south < north and all(map(math.isfinite, found)) else None


def _all_parts(path: Path, grid: Grid) -> list[Any]:
    """The single geometries of all layers."""
    real, kind = _known(path)
    parts: list[Any] = []
    refused: MapError | None = None
    with untouched(real) as file:
        for layer in _layers(file, kind) or [None]:
            try:
                parts.extend(_parts(_read_layer(file, grid, layer, kind)))
            except MapError as error:
                refused = error
    if refused is not None and not parts:
        raise refused
    return parts


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


def _finite(shapes: Any) -> Any:
    bounds = shapely.bounds(shapes)
    return np.isfinite(bounds).all(axis=1) & (np.abs(bounds) < FARTHEST).all(axis=1)


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
