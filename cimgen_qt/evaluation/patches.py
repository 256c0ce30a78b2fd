"""Cut pictures into the 64 x 64 patches that figures are taken on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask, Pixels

SIDE, STRIDE = 64, 32
INSIDE = 0.6
"""The share of a patch that has to be made for it to count as inside an edit."""


def places_outside(mask: Mask) -> NDArray[np.int64]:
    """(n, 2) rows and columns of patches without a single changed pixel, row by row: the paper's ground."""
    rows, cols, share = _shares(mask)
    found: NDArray[np.int64] = np.stack([rows, cols], 1)[share == 0]
    return found


def places_inside(mask: Mask) -> NDArray[np.int64]:
    """(n, 2) rows and columns of patches that lie mostly in the edit."""
    rows, cols, share = _shares(mask)
    found: NDArray[np.int64] = np.stack([rows, cols], 1)[share >= INSIDE]
    return found


def cut(picture: Pixels, places: NDArray[np.int64]) -> Pixels:
    """(n, 64, 64, bands)."""
    found = [picture[row : row + SIDE, col : col + SIDE] for row, col in places]
    return np.stack(found) if found else np.empty((0, SIDE, SIDE, picture.shape[2]), picture.dtype)


def _shares(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row and column of every patch, and the share of it that is True."""
    rows, cols = (np.arange(0, size - SIDE + 1, STRIDE) for size in mask.shape)
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(0).cumsum(1)
    r, c = (grid.ravel() for grid in np.meshgrid(rows, cols, indexing="ij"))
    made = sums[r + SIDE, c + SIDE] - sums[r, c + SIDE] - sums[r + SIDE, c] + sums[r, c]
    return r, c, made / SIDE**2
