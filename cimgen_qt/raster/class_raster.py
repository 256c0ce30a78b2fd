"""Rasters as class maps: values that are classes, or colours that stand for them, on this grid or another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from cimgen_qt.core.errors import MapError, RasterError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.palette_io import Rgba, used_entries
from cimgen_qt.core.raster import Labels
from cimgen_qt.raster.coloured import ColourClasses, colours_to_find
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.guard import inspect
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.names import names_of
from cimgen_qt.raster.placing import place
from cimgen_qt.raster.values import ValueClasses, pairs_of_names, pairs_of_table
from cimgen_qt.raster.windows import rasterio_window

_FEWEST_COLOURS = 2
"""So many classes of the palette must stand in a colour table for its colours to count."""


def open_class_raster(
    path: Path,
    grid: Grid,
    palette: Palette,
    table: Mapping[str, int] | None = None,
    tolerance: float | None = None,
    class_name: str | None = None,
) -> ClassRaster:
    """`class_name` makes everything but 0 this class. Raises `RasterError` for what the guard refuses or GDAL cannot
    read, `MapError` where the map does not lie on the image or cannot be understood.
    """
    verdict = inspect(path)
    try:
        with quiet(), restricted():
            data = rasterio.open(verdict.path, driver=verdict.driver)
    except GDAL_ERRORS as error:
        raise RasterError(f"{path.name} cannot be opened: {error}", hint="Is the file damaged?") from error
    try:
        return ClassRaster(verdict.path, data, grid, palette, table, tolerance, class_name)
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
        table: Mapping[str, int] | None,
        tolerance: float | None,
        class_name: str | None,
    ) -> None:
        self.notes: list[str] = []
        self._path, self._file = path, data
        self._classes: ColourClasses | ValueClasses
        if _is_coloured(data, path):
            if class_name is not None:
                raise MapError(f"{path.name} is a coloured map", hint="Leave --class out, or give --table.")
            self.kind = "coloured map"
            self._classes = ColourClasses(colours_to_find(palette, table), tolerance)
        else:
            self.kind = "class raster"
            everything = None if class_name is None else palette.find(class_name).id
            self._classes = ValueClasses(self._pairs(palette, table, tolerance), everything)
        placed = place(data, path, grid)
        self._data, self.resampled, self.misregistration = placed.data, placed.resampled, placed.misregistration
        self.notes.extend(placed.notes)

    def read(self, window: Window, unmapped: Counter[str]) -> Labels:
        try:
            with restricted():
                planes = self._data.read(window=rasterio_window(window))
                valid = self._data.dataset_mask(window=rasterio_window(window)) != 0
        except GDAL_ERRORS as error:
            raise RasterError(f"{self._path.name} cannot be read there: {error}", hint="Is it damaged?") from error
        return self._classes.read(planes, valid, unmapped)

    def close(self) -> None:
        if self._data is not self._file:
            self._data.close()
        self._file.close()

    def _pairs(self, palette: Palette, table: Mapping[str, int] | None, tolerance: float | None) -> dict[int, int]:
        """Value -> class id: by the table, by names, by colours, else by id."""
        names = names_of(self._file, self._path)
        if table is not None:
            return pairs_of_table(table, names)
        colours = _colours_of(self._file)
        if tolerance is not None:
            return _near_colours(colours, palette, tolerance, self._path)
        named = pairs_of_names(names, palette)
        if named:
            return named
        ids = {c.id: c.id for c in palette}
        by_colour = _same_colours(colours, palette)
        by_id = {value for value, rgba in colours.items() if value in ids and value and any(rgba[:3])}
        if len(set(by_colour.values())) >= _FEWEST_COLOURS and len(by_colour) >= len(by_id):
            return by_colour
        if colours and not by_colour:
            self.notes.append("the colours of the map are not those of the palette: its values were taken as class ids")
        return ids


def _is_coloured(data: Any, path: Path) -> bool:
    if data.count >= 3 and data.dtypes[0] == "uint8":
        return True
    if data.count >= 3:
        raise MapError(f"{path.name} is no class map", hint="Coloured maps have 3 or 4 bands of 8 bits, others one.")
    if np.dtype(data.dtypes[0]).kind not in "uif":
        raise MapError(f"{path.name} has pixels of type {data.dtypes[0]}", hint="Classes are whole numbers.")
    return False


def _colours_of(data: Any) -> dict[int, Rgba]:
    try:
        return used_entries(data.colormap(1))
    except ValueError:
        return {}


def _same_colours(colours: Mapping[int, Rgba], palette: Palette) -> dict[int, int]:
    """Value -> class where the colour table holds the palette's very colours."""
    wanted = {c.colour: c.id for c in palette if c.id}
    return {value: wanted[rgba[:3]] for value, rgba in colours.items() if rgba[:3] in wanted}


def _near_colours(colours: Mapping[int, Rgba], palette: Palette, tolerance: float, path: Path) -> dict[int, int]:
    if not colours:
        raise MapError(f"{path.name} has no colours to compare", hint="Leave --tolerance out.")
    values = sorted(colours)
    ids, near = ColourClasses(colours_to_find(palette, None), tolerance).nearest(
        np.array([colours[value][:3] for value in values])
    )
    return {value: int(ids[n]) for n, value in enumerate(values) if near[n]}
