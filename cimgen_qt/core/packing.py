"""Pack areas and what stands in them into short texts, as project and sidecar keep them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.chunks import CHUNK
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.regions import Runs

LARGEST = 1 << 31
"""Bytes that a text may unpack to."""


def pack(array: NDArray[Any]) -> str:
    """Little-endian bytes, deflated, in base 64."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return base64.b64encode(zlib.compress(little.tobytes(), 6)).decode("ascii")


def unpack(text: str, dtype: str) -> NDArray[Any]:
    """The inverse of `pack`. Raises `CimgenError` on anything else."""
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(base64.b64decode(text, validate=True), LARGEST)
        return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise CimgenError("a packed part of the file is damaged", hint="Export again.") from error


def pack_runs(runs: Runs) -> str:
    return pack(np.stack([runs.row, runs.start, runs.end, runs.area]).astype(np.int32))


def unpack_runs(text: str) -> Runs:
    """The inverse of `pack_runs`. Raises `CimgenError`."""
    flat = unpack(text, "int32")
    if flat.size % 4:
        raise CimgenError("the areas of the file are damaged", hint="Export again.")
    row, start, end, area = flat.reshape(4, -1).astype(np.int64)
    ordered = bool((np.diff(row) >= 0).all()) and bool((start < end).all()) and bool((area >= 0).all())
    if not ordered or (area.size and int(area.max()) > area.size):
        raise CimgenError("the areas of the file make no sense", hint="Export again.")
    return Runs(row, start, end, area)


def along(runs: Runs, read: Callable[[Window], NDArray[Any]]) -> NDArray[Any]:
    """Values of the pixels of all runs, one after another, read band by band of rows."""
    rows, cols = _rows(runs), _cols(runs)
    if not rows.size:
        return read(Window(0, 0, 1, 1)).reshape(-1)[:0]
    parts = []
    left, right = int(cols.min()), int(cols.max()) + 1
    for top in range(int(rows[0]) // CHUNK * CHUNK, int(rows[-1]) + 1, CHUNK):
        first, last = np.searchsorted(rows, [top, top + CHUNK])
        if first < last:
            low, high = int(rows[first]), int(rows[last - 1]) + 1
            plane = read(Window(low, left, high - low, right - left))
            parts.append(plane[rows[first:last] - low, cols[first:last] - left])
    return np.concatenate(parts)


def spread(runs: Runs, values: NDArray[Any], window: Window, fill: Any = 0) -> NDArray[Any]:
    """The inverse of `along`, for any window: `fill` outside the runs."""
    out = np.full(window.shape, fill, values.dtype)
    rows, cols = _rows(runs) - window.row, _cols(runs) - window.col
    inside = (rows >= 0) & (rows < window.height) & (cols >= 0) & (cols < window.width)
    out[rows[inside], cols[inside]] = values[inside]
    return out


def _rows(runs: Runs) -> NDArray[np.int64]:
    return np.repeat(runs.row, runs.end - runs.start)


def _cols(runs: Runs) -> NDArray[np.int64]:
    length = runs.end - runs.start
    first = np.repeat(runs.start - (np.cumsum(length) - length), length)
    return first + np.arange(int(length.sum()))
