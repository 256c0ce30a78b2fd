"""Bring pixels and classes to another ground resolution; corners of both arrays lie in the same place."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Pixels

A = TypeVar("A", bound=np.generic)
Doubles = NDArray[np.float64]
AT_ONCE = 1 << 20
"""Numbers that are worked on at once: 8 MB, whatever the size of the raster."""


def shrink_or_grow(pixels: Pixels, height: int, width: int) -> Pixels:
    """(rows, cols, band) to (height, width, band), same dtype: mean over the area when shrinking, linear when growing.

    NaN in float pixels counts for nothing, and stays only where there is nothing else.
    """
    rows, cols, bands = pixels.shape
    out = np.empty((height, width, bands), pixels.dtype)
    per_row = max(1, cols * bands * max(1, -(-rows // height)), width * bands)
    step = max(1, AT_ONCE // per_row)
    for begin in range(0, height, step):
        end = min(height, begin + step)
        first, last = _source(begin, end, rows, height)
        values = pixels[first:last].astype(np.float64)
        places = (np.arange(begin, end + 1) * (rows / height)) - first
        out[begin:end] = _as_dtype(_resampled(values, places, width), pixels.dtype)
    return out


def nearest(array: NDArray[A], height: int, width: int) -> NDArray[A]:
    """(rows, cols) to (height, width): the value at the middle of each new pixel."""
    rows = ((np.arange(height) + 0.5) * array.shape[0] / height).astype(np.int64)
    cols = ((np.arange(width) + 0.5) * array.shape[1] / width).astype(np.int64)
    picked: NDArray[A] = array[rows[:, None], cols]
    return picked


def _source(begin: int, end: int, rows: int, height: int) -> tuple[int, int]:
    """The rows that new rows `begin` to `end` are made from, one to spare on either side."""
    return max(0, begin * rows // height - 1), min(rows, -(-end * rows // height) + 1)


def _resampled(values: Doubles, edges: Doubles, width: int) -> Doubles:
    """New rows lie between `edges`, in rows of `values`; NaN where there is nothing."""
    across = np.linspace(0, values.shape[1], width + 1)
    known = np.isfinite(values)
    if known.all():
        return _along(_along(values, 0, edges), 1, across)
    weight = _along(_along(known.astype(np.float64), 0, edges), 1, across)
    total = _along(_along(np.where(known, values, 0), 0, edges), 1, across)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-9)


def _along(values: Doubles, axis: int, edges: Doubles) -> Doubles:
    values = np.moveaxis(values, axis, 0)
    made = _shrunk(values, edges) if edges[1] - edges[0] > 1 else _grown(values, edges)
    return np.moveaxis(made, 0, axis)


def _shrunk(values: Doubles, edges: Doubles) -> Doubles:
    """Mean over each new pixel, by differences of the running sum."""
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    whole = np.minimum(edges.astype(np.int64), len(values) - 1)
    rest = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    at_edges: Any = sums[whole] + rest * values[whole]
    mean: Doubles = np.diff(at_edges, axis=0) / (edges[1] - edges[0])
    return mean


def _grown(values: Doubles, edges: Doubles) -> Doubles:
    at = np.clip((edges[:-1] + edges[1:]) / 2 - 0.5, 0, len(values) - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(values) - 2))
    rest = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    mixed: Doubles = values[low] * (1 - rest) + values[np.minimum(low + 1, len(values) - 1)] * rest
    return mixed


def _as_dtype(values: Doubles, dtype: np.dtype[Any]) -> Pixels:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
