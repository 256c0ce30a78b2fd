"""How far a pixel inside a mask lies from the outside, up to a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]


def inner_distance(mask: Mask, limit: int) -> Floats:
    """Euclidean pixels from the middle of each True pixel to the middle of the nearest False one; 0 outside.

    Distances above `limit` are given as `limit` + 1. What lies beyond the edge of the array is not outside. Separable
    and exact within the limit (Felzenszwalb & Huttenlocher 2012, with the lower envelope taken by plain minima).
    """
    far = np.float32(limit + 1)
    across = np.minimum(_along_rows(mask), far)
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    squared = across * across
    best = squared.copy()
    for step in range(1, min(limit, mask.shape[0] - 1) + 1):
        offset = np.float32(step * step)
        np.minimum(best[step:], squared[:-step] + offset, out=best[step:])
        np.minimum(best[:-step], squared[step:] + offset, out=best[:-step])
    best[best > limit * limit] = far * far
    distance: Floats = np.sqrt(best)
    return distance


def _along_rows(mask: Mask) -> Floats:
    """Columns to the nearest False pixel of the same row; huge where there is none."""
    width = mask.shape[1]
    cols = np.arange(width, dtype=np.int32)
    huge = np.int32(1 << 24)
    left = np.maximum.accumulate(np.where(mask, -huge, cols), axis=1)
    right = np.minimum.accumulate(np.where(mask, huge, cols)[:, ::-1], axis=1)[:, ::-1]
    nearest: Floats = np.minimum(cols - left, right - cols).astype(np.float32)
    return nearest
