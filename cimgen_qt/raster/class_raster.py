"""Rasters as class maps: values that are classes, or colours that stand for them, on this grid or another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from cimgen_qt.core.errors import MapError, RasterError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, RasterReader
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.guard import inspect
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.registration import lattice_offset, measured_offset
from cimgen_qt.raster.values import table_from_names
from cimgen_qt.raster.windows import rasterio_window

TOLERANCE = 40.0
"""How far a colour may lie from its class's, as the Euclidean distance of 8-bit red, green and blue."""
WORTH_TELLING = 2.0
"""A shift of more pixels than this between map and image is told."""


def open_class_raster(
    path: Path,
    grid: Grid,
    palette: Palette,
    photo: RasterReader,
    table: Mapping[str, int] | None,
    tolerance: float | None,
) -> ClassRaster:
    """Raises `RasterError` for what the guard refuses, `MapError` where the map does not lie on the image."""
    verdict = inspect(path)
    try:
        with quiet(), restricted():
            data = rasterio.open(verdict.path, driver=verdict.driver)
    except GDAL_ERRORS as error:
        raise RasterError(f"{path.name} cannot be opened: {error}", hint="Is the file damaged?") from error
    try:
        return ClassRaster(path, data, grid, palette, photo, table, tolerance)
    except BaseException:
        data.close()
        raise


class ClassRaster:
    """One raster, read on the grid of the image."""

    def __init__(
        self,
        path: Path,
        data: Any,
        grid: Grid,
        palette: Palette,
        photo: RasterReader,
        table: Mapping[str, int] | None,
        tolerance: float | None,
    ) -> None:
        self.notes: list[str] = []
        self.misregistration: tuple[float, float] | None = None
        self._path, self._file, self._data = path, data, data
        self._coloured = _is_coloured(data, table, tolerance)
        self.kind = "coloured map" if self._coloured else "class raster"
        self.resampled = self._place(grid)
        self._tolerance = TOLERANCE if tolerance is None else tolerance
        if self._coloured:
            classes = [c for c in palette if c.id]
            self._ids = np.array([c.id for c in classes], np.uint8)
            self._colours = np.array([c.colour for c in classes], np.float32)
        else:
            self._lookup, self._known = _lookup(data, palette, table)
        self._measure(grid, photo)

    def read(self, window: Window, unmapped: Counter[str]) -> Labels:
        try:
            with restricted():
                planes = self._data.read(window=rasterio_window(window))
                valid = self._data.dataset_mask(window=rasterio_window(window)) != 0
        except GDAL_ERRORS as error:
            raise RasterError(f"{self._path.name} cannot be read there: {error}", hint="Is it damaged?") from error
        return (
            self._from_colours(planes, valid, unmapped)
            if self._coloured
            else self._from_values(planes[0], valid, unmapped)
        )

    def close(self) -> None:
        if self._data is not self._file:
            self._data.close()
        self._file.close()

    def _from_values(self, values: NDArray[Any], valid: NDArray[np.bool_], unmapped: Counter[str]) -> Labels:
        index = np.where(valid & (values >= 0) & (values <= 255), values, 0).astype(np.uint8)
        odd = valid & ((values < 0) | (values > 255) | ~self._known[index])
        if odd.any():
            found, counts = np.unique(values[odd], return_counts=True)
            unmapped.update({f"{value:g}": int(n) for value, n in zip(found.tolist(), counts.tolist(), strict=True)})
        labels: Labels = np.where(valid & ~odd, self._lookup[index], 0).astype(np.uint8)
        return labels

    def _from_colours(self, planes: NDArray[Any], valid: NDArray[np.bool_], unmapped: Counter[str]) -> Labels:
        rgb = np.moveaxis(planes[:3], 0, 2).reshape(-1, 3)
        colours, inverse = np.unique(rgb, axis=0, return_inverse=True)
        distance = np.linalg.norm(colours[:, None].astype(np.float32) - self._colours[None], axis=2)
        best = distance.argmin(axis=1)
        near = distance[np.arange(len(colours)), best] <= self._tolerance
        ids = np.where(near, self._ids[best], 0)
        counts = np.bincount(inverse.ravel()[valid.ravel()], minlength=len(colours))
        for number in np.nonzero(~near & (counts > 0))[0].tolist():
            unmapped["#{:02x}{:02x}{:02x}".format(*colours[number].tolist())] += int(counts[number])
        labels: Labels = np.where(valid, ids[inverse.ravel()].reshape(valid.shape), 0).astype(np.uint8)
        return labels

    def _place(self, grid: Grid) -> bool:
        """Bring the file onto the grid; True where it had to be resampled. Raises `MapError`."""
        data = self._file
        same_size = (data.height, data.width) == (grid.height, grid.width)
        has_place = data.crs is not None and not data.transform.is_identity
        if not has_place or grid.crs is None:
            if not same_size:
                raise MapError(
                    f"{self._path.name} is {data.width} x {data.height} px and the image {grid.width} x {grid.height}, "
                    "and at least one of them has no position",
                    hint="Give a map of the same size, or one with a CRS for an image with a CRS.",
                )
            if has_place or grid.crs is not None:
                self.notes.append("only one of map and image has a position: they are taken to lie on each other")
            return False
        offset = lattice_offset(data, grid)
        if offset is not None and same_size and max(map(abs, offset)) < 1e-3:
            return False
        if offset is not None:
            part = max(abs(v - round(v)) for v in offset)
            self.misregistration = offset if max(map(abs, offset)) < 8 else None
            self.notes.append(
                f"the map lies on a grid shifted by {part:.2f} px against the image's: taken by nearest pixel"
            )
        else:
            self.notes.append("the map lies on another grid or in another CRS: resampled by nearest pixel")
        self._data = WarpedVRT(
            data, crs=grid.crs, transform=rasterio.Affine(*grid.transform), width=grid.width, height=grid.height,
            resampling=Resampling.nearest, add_alpha=data.nodata is None and data.count not in (2, 4),
        )  # fmt: skip
        self._require_overlap()
        return True

    def _require_overlap(self) -> None:
        height, width = self._data.height, self._data.width
        with restricted():
            shown = self._data.dataset_mask(out_shape=(min(height, 512), min(width, 512)))
        if not shown.any():
            raise MapError(f"{self._path.name} does not overlap the image", hint="Is it the right map?")

    def _measure(self, grid: Grid, photo: RasterReader) -> None:
        shift = measured_offset(grid, lambda w: self.read(w, Counter()), photo)
        if shift is not None and max(map(abs, shift)) > WORTH_TELLING:
            self.misregistration = shift
            self.notes.append(
                f"the map seems to be shifted against the image by {shift[0]:+.0f} rows and {shift[1]:+.0f} columns"
            )


def _is_coloured(data: Any, table: Mapping[str, int] | None, tolerance: float | None) -> bool:
    if data.count >= 3 and data.dtypes[0] == "uint8":
        return True
    if data.count >= 3 or (tolerance is not None and table is None):
        raise MapError(f"{Path(data.name).name} is no coloured map", hint="Coloured maps have 3 or 4 bands of 8 bits.")
    if np.dtype(data.dtypes[0]).kind not in "uif":
        raise MapError(f"{Path(data.name).name} has pixels of type {data.dtypes[0]}", hint="Classes are whole numbers.")
    return False


def _lookup(data: Any, palette: Palette, table: Mapping[str, int] | None) -> tuple[Labels, NDArray[np.bool_]]:
    """Class id of every value, and which values are known: by the table, by names, by colours, else by id."""
    lookup, known = np.zeros(256, np.uint8), np.zeros(256, bool)
    if table is not None:
        pairs = {int(float(v)): c for v, c in table.items() if _is_number(v) and 0 <= float(v) <= 255}
    else:
        pairs = table_from_names(names_of(data), palette) or _by_colour(data, palette) or {c.id: c.id for c in palette}
    pairs.setdefault(0, 0)
    for value, class_id in pairs.items():
        lookup[value], known[value] = class_id, True
    return lookup, known


def _is_number(text: str) -> bool:
    try:
        return float(text) == int(float(text))
    except ValueError:
        return False


def names_of(data: Any) -> dict[int, str]:
    """Names that the file gives its values: our own band tags CLASS_n."""
    tags = data.tags(1)
    return {int(k[6:]): v for k, v in tags.items() if k.startswith("CLASS_") and k[6:].isdigit() and int(k[6:]) < 256}


def _by_colour(data: Any, palette: Palette) -> dict[int, int]:
    """Value -> class where the colour table holds the palette's very colours for at least two classes."""
    try:
        colours = data.colormap(1)
    except ValueError:
        return {}
    wanted = {c.colour: c.id for c in palette if c.id}
    found = {value: wanted[rgba[:3]] for value, rgba in colours.items() if rgba[:3] in wanted}
    return found if len(set(found.values())) >= 2 else {}
