"""Lay a raster on the grid of the image: as it is, shifted by whole pixels, or resampled by nearest pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted

EXACT = 1e-3
"""Pixels by which a grid may lie off and still be the same."""
_LOOK = 512
"""Side of the small picture in which it is looked whether map and image overlap."""


@dataclass(frozen=True)
class Placed:
    """A data set on the grid of the image, and what a user should know of how it came there."""

    data: Any
    resampled: bool = False
    misregistration: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def place(data: Any, path: Path, grid: Grid) -> Placed:
    """Raises `MapError` where the raster has no place on the image. The caller closes what comes back, and `data`."""
    same_size = (data.height, data.width) == (grid.height, grid.width)
    has_place = data.crs is not None and not data.transform.is_identity
    if not has_place or grid.crs is None:
        if not same_size:
            raise MapError(
                f"{path.name} is {data.width} x {data.height} px and the image {grid.width} x {grid.height}, "
                "and at least one of them has no position",
                hint="Give a map of the same size, or one with a CRS for an image with a CRS.",
            )
        told = "only one of map and image has a position: they are taken to lie on each other"
        return Placed(data, notes=(told,) if has_place or grid.crs is not None else ())
    offset = lattice_offset(data, grid)
    if offset is not None and same_size and max(map(abs, offset)) < EXACT:
        return Placed(data)
    part = None if offset is None else (offset[0] - round(offset[0]), offset[1] - round(offset[1]))
    moved = _warped(data, path, grid)
    notes = [*_how(data, grid, part), *_cover(moved, path)]
    exact = part is not None and max(map(abs, part)) < EXACT
    return Placed(moved, not exact, None if exact else part, tuple(notes))


def lattice_offset(data: Any, grid: Grid) -> tuple[float, float] | None:
    """Rows and columns from the image's first corner to the map's, if both have one CRS and pixels of one size."""
    if not _same_crs(data, grid):
        return None
    mine, theirs = np.array(grid.transform), np.array(tuple(data.transform)[:6])
    steps = [0, 1, 3, 4]
    scale = np.abs(mine[steps]).max()
    if np.abs(mine[steps] - theirs[steps]).max() * max(data.width, data.height) > EXACT * scale:
        return None
    return grid.row_col(float(theirs[2]), float(theirs[5]))


def _same_crs(data: Any, grid: Grid) -> bool:
    if data.crs is None or grid.crs is None:
        return False
    return bool(data.crs.to_wkt() == grid.crs or data.crs == CRS.from_wkt(grid.crs))


def _warped(data: Any, path: Path, grid: Grid) -> Any:
    alpha = data.nodata is None and ColorInterp.alpha not in data.colorinterp
    try:
        with restricted():
            return WarpedVRT(
                data, crs=grid.crs, transform=rasterio.Affine(*grid.transform), width=grid.width, height=grid.height,
                resampling=Resampling.nearest, add_alpha=alpha,
            )  # fmt: skip
    except (*GDAL_ERRORS, ValueError) as error:
        raise MapError(f"{path.name} cannot be laid on the image: {error}", hint="Reproject it first.") from error


def _how(data: Any, grid: Grid, part: tuple[float, float] | None) -> list[str]:
    if part is None and not _same_crs(data, grid):
        return [f"the map is in another CRS ({_name(data.crs)}): resampled by nearest pixel"]
    if part is None:
        a, b, _, d, e, _ = grid.transform
        other = data.transform
        down = np.hypot(other.b, other.e) / np.hypot(b, e)
        across = np.hypot(other.a, other.d) / np.hypot(a, d)
        return [f"the map lies on another grid, of pixels {across:.3g} x {down:.3g} px: resampled by nearest pixel"]
    if max(map(abs, part)) < EXACT:
        return []
    return [
        f"the map lies on a grid shifted by {max(map(abs, part)):.2f} px against the image's: taken by nearest pixel"
    ]


def _name(crs: Any) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else "without a code"


def _cover(moved: Any, path: Path) -> list[str]:
    """What part of the image has a map. Raises `MapError` where none has."""
    shape = min(moved.height, _LOOK), min(moved.width, _LOOK)
    try:
        with restricted():
            share = float((moved.dataset_mask(out_shape=shape) != 0).mean())
    except GDAL_ERRORS as error:
        raise MapError(f"{path.name} cannot be laid on the image: {error}", hint="Is it damaged?") from error
    if share == 0:
        raise MapError(f"{path.name} does not overlap the image", hint="Is it the right map?")
    return [f"the map covers {100 * share:.0f} % of the image"] if share < 0.995 else []
