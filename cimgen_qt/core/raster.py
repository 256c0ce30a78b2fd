"""What the core asks of a raster: two small protocols and the facts of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Grid, Window

Pixels = NDArray[Any]
"""(height, width, band), in the dtype of the source."""
Labels = NDArray[np.uint8]
"""(height, width) of class ids; 0 is unlabelled."""
Mask = NDArray[np.bool_]
"""(height, width)."""

SUPPORTED_DTYPES = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True, slots=True)
class RasterInfo:
    """The facts of a raster that the core needs. What else the file carries is the writer's business."""

    path: str
    grid: Grid
    bands: int
    dtype: str
    nodata: tuple[float | None, ...] = ()
    alpha: int | None = None
    """Index (from 0) of the alpha band, if there is one."""
    descriptions: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    """Colour interpretation per band in GDAL's words: red, green, blue, gray, palette, alpha, undefined."""
    overviews: tuple[int, ...] = ()
    block: tuple[int, int] = (256, 256)
    lossy: bool = False
    notes: tuple[str, ...] = field(default=())
    """What a user should know, e.g. that the file holds control points only."""


class RasterReader(Protocol):
    """Reads a raster in blocks, from one thread at a time; never writes to the file."""

    @property
    def info(self) -> RasterInfo: ...

    def read(self, window: Window) -> Pixels:
        """Pixels of `window`, which lies inside the grid; shape (height, width, band)."""
        ...

    def read_valid(self, window: Window) -> Mask:
        """True where a pixel is data: not nodata, not masked, not fully transparent."""
        ...

    def read_overview(self, window: Window, height: int, width: int) -> Pixels:
        """`window` shrunk to `height` x `width` from the best overview, for display only."""
        ...

    def close(self) -> None: ...


class RasterWriter(Protocol):
    """Writes one raster block by block. Nothing stands at the user's path before `commit` has returned."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know: what this file cannot hold, and why it is another kind than the source."""
        ...

    def write(self, window: Window, pixels: Pixels, changed: Mask) -> None:
        """Lay the `changed` pixels of `window` over the source's."""
        ...

    def finish(self, tags: Mapping[str, str], xmp: bytes) -> RasterReader:
        """Close the file, still at its hidden place, and open what a user will read: to be compared, then closed."""
        ...

    def commit(self) -> None:
        """Flush to disk and rename into place. Raises `ExportError`, leaving nothing."""
        ...

    def discard(self) -> None:
        """Remove everything begun. Harmless after `commit` and when called twice."""
        ...


class PlaneWriter(Protocol):
    """Writes a companion raster of uint8 planes on the grid of the image; the same promise about the user's path."""

    def write(self, window: Window, planes: Pixels) -> None: ...

    def finish(self) -> None: ...

    def commit(self) -> None: ...

    def discard(self) -> None: ...
