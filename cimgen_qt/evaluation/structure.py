"""Structural similarity (SSIM, Wang et al. 2004) of many small patches at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Window = Literal["gaussian", "uniform"]
"""`gaussian`: sigma 1.5 over 11 x 11, as in the paper; `uniform`: 7 x 7, unbiased variances, as scikit-image does."""
_K1, _K2, _RANGE = 0.01, 0.03, 255.0


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8], window: Window = "gaussian") -> NDArray[np.float64]:
    """(n,) for patches (n, height, width, bands) of 0..255: the mean over bands and over whole windows."""
    a, b = (np.moveaxis(x, 3, 1).astype(np.float64) for x in (one, other))
    weights, unbiased = _weights(window)
    rows, cols = (_sliding(weights, size) for size in a.shape[2:])

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = rows @ x @ cols.T
        return found

    ma, mb = mean(a), mean(b)
    va, vb, cov = (unbiased * (mean(x) - m) for x, m in ((a * a, ma * ma), (b * b, mb * mb), (a * b, ma * mb)))
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    local = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    found: NDArray[np.float64] = local.mean(axis=(1, 2, 3))
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
