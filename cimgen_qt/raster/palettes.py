"""Take a palette from any file that holds one: TOML, QML, or the colour table of a class raster."""

from __future__ import annotations

from pathlib import Path

import rasterio

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.palette_io import from_colour_table, load_palette
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.guard import inspect
from cimgen_qt.raster.metadata import quiet
from cimgen_qt.raster.names import names_of

_RASTERS = (".tif", ".tiff", ".png")


def open_palette(path: Path) -> Palette:
    """Raises `MapError` where the file holds no palette, `RasterError` where the guard refuses it."""
    if path.suffix.lower() not in _RASTERS:
        return load_palette(path)
    verdict = inspect(path)
    try:
        with quiet(), restricted(), rasterio.open(verdict.path, driver=verdict.driver) as data:
            return from_colour_table(data.colormap(1), names_of(data, verdict.path), path.stem)
    except (*GDAL_ERRORS, ValueError) as error:
        raise MapError(
            f"{path.name} has no colour table", hint="Give a paletted raster, a TOML or a QML file."
        ) from error
