"""Structural similarity (SSIM, Wang et al. 2004) of many small patches at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Window = Literal["gaussian", "uniform"]
"""`gaussian`: sigma 1.5 over 11 x 11, as in the paper; `uniform`: 7 x 7, unbiased variances, as scikit-image does."""
_K1, _K2, _RANGE = 0.01, 0.03, 255.0
_GROUP = 4

Floats = NDArray[np.float64]


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8], window: Window = "gaussian") -> NDArray[np.float64]:
    """(n,) for patches (n, height, width, bands) of 0..255: the mean over bands and over whole windows."""
    weights, unbiased = _weights(window)
    rows, cols = (_sliding(weights, size) for size in one.shape[1:3])
    groups = [slice(start, start + _GROUP) for start in range(0, len(one), _GROUP)]
    found = [_group(one[group], other[group], rows, cols, unbiased) for group in groups]
    return np.concatenate(found) if found else np.empty(0)


def _group(
    one: NDArray[np.uint8], other: NDArray[np.uint8], rows: Floats, cols: Floats, unbiased: float
) -> NDArray[np.float64]:
    """Of so few patches that they stay in the cache; all means along an axis are one product of matrices."""
    a, b = (np.moveaxis(x, 3, 1).astype(np.float64) for x in (one, other))
    count, bands, height, _ = a.shape
    planes = np.stack([a, b, a * a + b * b, a * b]) @ cols.T
    turned = np.ascontiguousarray(planes.swapaxes(3, 4)).reshape(-1, height) @ rows.T
    ma, mb, squares, products = turned.reshape(4, count, bands, -1)
    both, power = ma * mb, ma * ma + mb * mb
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    local = (2 * both + c1) * (2 * unbiased * (products - both) + c2)
    local /= (power + c1) * (unbiased * (squares - power) + c2)
    found: NDArray[np.float64] = local.mean(axis=(1, 2))
    return found


def _weights(window: Window) -> tuple[NDArray[np.float64], float]:
    """Along one axis, and the factor that makes a variance unbiased."""
    if window == "uniform":
        return np.full(7, 1 / 7), 49 / 48
    places = np.arange(-5, 6)
    weights = np.exp(-0.5 * (places / 1.5) ** 2)
    return weights / weights.sum(), 1.0


def _sliding(weights: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The matrix that takes weighted means of all whole windows along an axis."""
    matrix = np.zeros((size - len(weights) + 1, size))
    for place in range(matrix.shape[0]):
        matrix[place, place : place + len(weights)] = weights
    return matrix
