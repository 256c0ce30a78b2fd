"""Our windows in rasterio's words."""

from __future__ import annotations

from rasterio.windows import Window as RasterioWindow

from cimgen_qt.core.grid import Window


def rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)
