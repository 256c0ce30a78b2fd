"""Bring pixels and classes to another ground resolution; corners of both arrays lie in the same place."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Pixels

A = TypeVar("A", bound=np.generic)
Doubles = NDArray[np.float64]


def shrink_or_grow(pixels: Pixels, height: int, width: int) -> Pixels:
    """(rows, cols, band) to (height, width, band), same dtype: mean over the area when shrinking, linear when growing.

    NaN in float pixels counts for nothing, and stays only where there is nothing else.
    """
    values = pixels.astype(np.float64)
    known = np.isfinite(values)
    if known.all():
        out = _along(_along(values, 0, height), 1, width)
    else:
        weight = _along(_along(known.astype(np.float64), 0, height), 1, width)
        total = _along(_along(np.where(known, values, 0), 0, height), 1, width)
        out = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-9)
    if pixels.dtype.kind == "f":
        return out.astype(pixels.dtype)
    limits = np.iinfo(pixels.dtype)
    return np.clip(np.rint(out), limits.min, limits.max).astype(pixels.dtype)


def nearest(array: NDArray[A], height: int, width: int) -> NDArray[A]:
    """(rows, cols) to (height, width): the value at the middle of each new pixel."""
    rows = ((np.arange(height) + 0.5) * array.shape[0] / height).astype(np.int64)
    cols = ((np.arange(width) + 0.5) * array.shape[1] / width).astype(np.int64)
    picked: NDArray[A] = array[rows[:, None], cols]
    return picked


def _along(values: Doubles, axis: int, size: int) -> Doubles:
    values = np.moveaxis(values, axis, 0)
    made = _shrunk(values, size) if size < len(values) else _grown(values, size)
    return np.moveaxis(made, 0, axis)


def _shrunk(values: Doubles, size: int) -> Doubles:
    """Mean over each new pixel, by differences of the running sum."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    edges = np.linspace(0, len(values), size + 1)
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    rest = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    at_edges: Any = sums[whole] + rest * values[whole]
    mean: Doubles = np.diff(at_edges, axis=0) * (size / len(values))
    return mean


def _grown(values: Doubles, size: int) -> Doubles:
    at = np.clip((np.arange(size) + 0.5) * len(values) / size - 0.5, 0, len(values) - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(values) - 2))
    rest = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    mixed: Doubles = values[low] * (1 - rest) + values[np.minimum(low + 1, len(values) - 1)] * rest
    return mixed
