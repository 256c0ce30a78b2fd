"""Halve and double planes of numbers, cells of two by two pixels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
NEAR, FAR = np.float32(0.75), np.float32(0.25)
"""What the nearer and the farther of two cells count where a pixel lies between their middles."""


def cell_sums(x: Floats) -> Floats:
    """Sum over cells of 2 x 2; both sides are even."""
    total: Floats = x[0::2, 0::2] + x[0::2, 1::2]
    total += x[1::2, 0::2]
    total += x[1::2, 1::2]
    return total


def any_of_cell(mask: Mask) -> Mask:
    """True where one of the 2 x 2 is; both sides are even."""
    rows = mask[0::2] | mask[1::2]
    found: Mask = rows[:, 0::2] | rows[:, 1::2]
    return found


def doubled(x: Floats) -> Floats:
    """Bilinear: (rows + 2, cols + 2) cells, the outermost only to lean on, become (2 rows, 2 cols) pixels."""
    near = x[:, 1:-1] * NEAR
    across = np.empty((x.shape[0], 2 * near.shape[1]), np.float32)
    np.multiply(x[:, :-2], FAR, out=across[:, 0::2])
    across[:, 0::2] += near
    np.multiply(x[:, 2:], FAR, out=across[:, 1::2])
    across[:, 1::2] += near
    near = across[1:-1] * NEAR
    across *= FAR
    out = np.empty((2 * near.shape[0], near.shape[1]), np.float32)
    np.add(near, across[:-2], out=out[0::2])
    np.add(near, across[2:], out=out[1::2])
    return out
