"""Write one small picture: PNG or a deflated GeoTIFF with its position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from cimgen_qt.core.errors import RasterError
from cimgen_qt.core.grid import Grid
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.metadata import quiet


def write_tile(path: Path, pixels: NDArray[Any], grid: Grid) -> None:
    """`pixels` (height, width, bands), by the ending of `path`. Raises RasterError where it cannot be written."""
    png = path.suffix.lower() == ".png"
    shape: dict[str, Any] = {"height": pixels.shape[0], "width": pixels.shape[1], "count": pixels.shape[2],
                             "dtype": str(pixels.dtype)}  # fmt: skip
    shape |= {"driver": "PNG"} if png else {"driver": "GTiff", "compress": "deflate", "predictor": 1}
    if not png and grid.is_georeferenced:
        shape |= {"transform": rasterio.Affine(*grid.transform), "crs": grid.crs}
    if not png and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        shape["photometric"] = "rgb"
    try:
        with quiet(), restricted(), rasterio.open(path, "w", **shape) as file:
            file.write(np.moveaxis(pixels, 2, 0))
    except (*GDAL_ERRORS, OSError) as error:
        raise RasterError(f"{path.name} cannot be written: {error}", hint="Is the disk full?") from error
