"""How GDAL is allowed to work: no network, few drivers, nothing written beside a source."""

from __future__ import annotations

from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""What rasterio raises: its own errors, and GDAL's that it hands on as they are."""

OPTIONS: dict[str, Any] = {
    "GDAL_PAM_ENABLED": "YES",  # .aux.xml is read (chips carry their position there); nothing is opened for writing
    "GDAL_CACHEMAX": 256 * 2**20,
    "GDAL_HTTP_TIMEOUT": 1,
    "GDAL_HTTP_CONNECTTIMEOUT": 1,
    "GDAL_HTTP_MAX_RETRY": 0,
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "AWS_NO_SIGN_REQUEST": "YES",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ONLY_REMOTE",
    "GTIFF_VIRTUAL_MEM_IO": "NO",
    "OSR_DEFAULT_AXIS_MAPPING_STRATEGY": "TRADITIONAL_GIS_ORDER",
    "JPEG_LIBTIFF_ALLOW_LARGE_LIBJPEG_MEM_ALLOC": "NO",
    "GDAL_JPEG_TO_RGB": "YES",
}


def restricted() -> rasterio.Env:
    """The environment for every use of GDAL on a file that somebody else made. Use it in `with`."""
    return rasterio.Env(**OPTIONS)
