"""Which ground is to be made anew: found from the difference between the maps, or named by the user."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.chunks import chunk_keys, chunk_window
from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.edits import Polygon
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Labels, Mask
from cimgen_qt.core.regions import Runs, find_areas
from cimgen_qt.core.snapshot import Snapshot

Ids = NDArray[np.int32]
LARGEST_GROWTH = 64


@dataclass(frozen=True, slots=True)
class Area:
    """A connected piece of ground. `square_metres` is None where the size of a pixel is not known."""

    window: Window
    pixels: int
    square_metres: float | None


@dataclass(frozen=True)
class Scope:
    """Areas to be made. Within them `wanted` pixels are generated and `reverted` ones get the photo back."""

    areas: tuple[Area, ...]
    text: str
    """How the user named it: changed, edited, all, or GeoJSON."""
    runs: Runs
    """Of the areas, numbered as they are."""
    back: Callable[[Window], Mask]
    """Pixels that get the photo back, wherever they lie."""

    def area_mask(self, area: Area, window: Window) -> Mask:
        """Pixels of `window` that belong to `area`."""
        return self.runs.mask([self.areas.index(area)], window)

    def mask(self, window: Window) -> Mask:
        """Pixels of `window` in any area of the scope."""
        return self.runs.mask(range(len(self.areas)), window)

    def reverted(self, window: Window) -> Mask:
        """Pixels whose class was painted back after they had been generated, and which nobody asked for by name."""
        return self.mask(window) & self.back(window)

    def wanted(self, window: Window) -> Mask:
        """Pixels that are to be generated."""
        return self.mask(window) & ~self.reverted(window)


def changed_scope(snapshot: Snapshot, grow: int = 0) -> Scope:
    """Every area in which something is not yet as the map wants it; an area is always made as a whole.

    `grow` widens the areas by so many pixels, for maps that are a little off and for what a thing leaves round it.
    """
    runs = find_areas(_blocks(snapshot, stale=False, grow=grow))
    stale = find_areas(_blocks(snapshot, stale=True))
    numbers = np.unique(runs.area_at(stale.row, stale.start))
    return scope_over(snapshot.grid, runs.only(numbers[numbers >= 0]), "changed", _painted_back(snapshot))


def edited_scope(snapshot: Snapshot, grow: int = 0) -> Scope:
    """Every area that differs from the original map, those already made included: to make all of it anew."""
    runs = find_areas(_blocks(snapshot, stale=False, grow=grow))
    return scope_over(snapshot.grid, runs, "edited", _painted_back(snapshot))


def whole_scope(snapshot: Snapshot) -> Scope:
    """The whole raster, changed or not."""
    window = snapshot.grid.window
    row = np.arange(window.height, dtype=np.int64)
    zero = np.zeros(window.height, np.int64)
    runs = Runs(row, zero, zero + window.width, zero)
    return scope_over(snapshot.grid, runs, "all")


def polygon_scope(snapshot: Snapshot, geojson: str) -> Scope:
    """The ground inside polygons given as GeoJSON in the CRS of the image, changed or not."""
    rings = _rings(geojson)
    grid = snapshot.grid
    placed = tuple(tuple(grid.row_col(x, y) for x, y in ring) for ring in rings)
    runs = find_areas(Polygon(placed).pieces(snapshot))
    if not runs.count:
        raise CimgenError("the polygons lie outside the image", hint="They must be in the CRS of the image.")
    return scope_over(snapshot.grid, runs, geojson)


def scope_of(snapshot: Snapshot, text: str, grow: int = 0) -> Scope:
    """The scope that `text` names: changed, edited, all, or GeoJSON; the first two widened by `grow` pixels."""
    if not 0 <= grow <= LARGEST_GROWTH:
        raise CimgenError(f"areas cannot grow by {grow} pixels", hint=f"Choose from 0 to {LARGEST_GROWTH}.")
    match text:
        case "changed":
            return changed_scope(snapshot, grow)
        case "edited":
            return edited_scope(snapshot, grow)
        case "all":
            return whole_scope(snapshot)
        case _:
            return polygon_scope(snapshot, text)


def read_stale(snapshot: Snapshot, window: Window) -> Mask:
    """Pixels that are not as the map wants them: changed and not made, or made for another class."""
    labels, maker = snapshot.read_labels(window), snapshot.read_maker(window)
    return _stale(labels, snapshot.read_map(window), maker, snapshot.read_made(window))


def _stale(labels: Labels, original: Labels, maker: Ids, made: Labels) -> Mask:
    stale: Mask = np.where(maker > 0, made != labels, labels != original)
    return stale


def _blocks(snapshot: Snapshot, stale: bool, grow: int = 0) -> Iterator[tuple[Window, Mask]]:
    keys = set(snapshot.project.keys(("labels", "maker"), snapshot.revision))
    if grow:
        keys = {near for key in keys for near in chunk_keys(chunk_window(key, snapshot.grid).padded(grow))}
    for key in sorted(keys):
        window = chunk_window(key, snapshot.grid)
        if not window:
            continue
        seen = window.padded(grow).intersect(snapshot.grid.window)
        mask = read_stale(snapshot, seen) if stale else _touched(snapshot, seen)
        if grow and mask.any():
            mask = inner_distance(~mask, grow) <= grow
        if mask[window.slices(seen)].any():
            yield window, mask[window.slices(seen)]


def _touched(snapshot: Snapshot, window: Window) -> Mask:
    """Pixels of another class than the original, and pixels that were made."""
    touched: Mask = (snapshot.read_labels(window) != snapshot.read_map(window)) | (snapshot.read_maker(window) > 0)
    return touched


def _nothing(window: Window) -> Mask:
    return np.zeros(window.shape, bool)


def _painted_back(snapshot: Snapshot) -> Callable[[Window], Mask]:
    def back(window: Window) -> Mask:
        labels, maker = snapshot.read_labels(window), snapshot.read_maker(window)
        found: Mask = (labels == snapshot.read_map(window)) & (maker > 0) & (snapshot.read_made(window) != labels)
        return found

    return back


def scope_over(grid: Grid, runs: Runs, text: str, back: Callable[[Window], Mask] = _nothing) -> Scope:
    """A scope of the areas that `runs` number."""
    windows, sizes, pixel = runs.windows(), runs.sizes(), grid.pixel_area
    areas = tuple(
        Area(window, int(size), None if pixel is None else float(size) * pixel)
        for window, size in zip(windows, sizes, strict=True)
    )
    return Scope(areas, text, runs, back)


def _rings(geojson: str) -> list[list[tuple[float, float]]]:
    """Rings of all polygons in a GeoJSON text, whatever wraps them."""
    try:
        found = list(_geometries(json.loads(geojson)))
        rings = [[(float(p[0]), float(p[1])) for p in ring] for polygon in found for ring in polygon]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CimgenError(f"the polygons cannot be read: {error}", hint="Give a GeoJSON file with polygons.") from error
    if not any(len(ring) >= 3 for ring in rings):
        raise CimgenError("there is no polygon in the GeoJSON", hint="Give a file with at least one polygon.")
    return rings


def _geometries(data: dict[str, object]) -> Iterator[list[list[list[float]]]]:
    match data:
        case {"type": "FeatureCollection", "features": list(features)}:
            for feature in features:
                yield from _geometries(feature)
        case {"type": "Feature", "geometry": dict(geometry)}:
            yield from _geometries(geometry)
        case {"type": "GeometryCollection", "geometries": list(parts)}:
            for part in parts:
                yield from _geometries(part)
        case {"type": "Polygon", "coordinates": list(polygon)}:
            yield polygon
        case {"type": "MultiPolygon", "coordinates": list(polygons)}:
            yield from polygons
