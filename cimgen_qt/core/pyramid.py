"""Halve and double planes of numbers, cells of two by two pixels at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def cell_sums(x: Floats, mode: str = "constant") -> Floats:
    """Sum over cells of 2 x 2; beyond an odd edge there is nothing ("constant") or the edge again ("edge")."""
    height, width = x.shape
    if height % 2 or width % 2:
        x = np.pad(x, ((0, height % 2), (0, width % 2)), mode=mode)  # type: ignore[call-overload]
    total: Floats = x[0::2, 0::2] + x[1::2, 0::2]
    total += x[0::2, 1::2]
    total += x[1::2, 1::2]
    return total


def doubled(x: Floats, shape: tuple[int, ...]) -> Floats:
    """Bilinear, with the middles of cells where they are."""
    for axis, size in enumerate(shape):
        x = _doubled_rows(x, size) if axis == 0 else _doubled_rows(x.T, size).T
    return np.ascontiguousarray(x)


def _doubled_rows(x: Floats, size: int) -> Floats:
    out = np.empty((2 * len(x), x.shape[1]), np.float32)
    near, far = np.float32(0.75), np.float32(0.25)
    out[0::2] = near * x
    out[1::2] = out[0::2]
    out[2::2] += far * x[:-1]
    out[1:-1:2] += far * x[1:]
    out[0] += far * x[0]
    out[-1] += far * x[-1]
    return out[:size]
