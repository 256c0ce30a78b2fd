"""Which squares of a mask lie near its rim, where the work of blending is, and which lie deep inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask

SIDE = 64
"""Of a square; even, so that halved squares fit the halved grid."""
NEAR = 16
"""Pixels from a rim at which half the resolution begins to do for what spreads from it."""
LONGEST = 8
"""Squares of one row that are worked on at once: 64 x 512 floats stay in the cache of a core."""

Squares = NDArray[np.bool_]
"""(rows, cols) of squares."""


@dataclass(frozen=True, slots=True)
class Plots:
    """Squares of a mask: `some` hold a True pixel; `near` ones of these a pixel that is not True, or one lies near by.

    The other squares of `some` are True all over, and so is the ground round each up to `NEAR` pixels.
    """

    shape: tuple[int, int]
    some: Squares
    near: Squares

    @classmethod
    def of(cls, mask: Mask) -> Plots:
        some, whole = reduced(mask, np.logical_or), reduced(mask, np.logical_and, NEAR)
        whole[[0, -1]] = whole[:, [0, -1]] = False
        return cls((mask.shape[0], mask.shape[1]), some, some & ~whole)

    def windows(self, squares: Squares) -> tuple[Window, ...]:
        """The True `squares` as windows, neighbours in a row joined; clipped to the shape."""
        found = []
        for row, line in enumerate(squares):
            for first, last in _runs(line):
                for col in range(first, last, LONGEST):
                    found.append((row, col, min(LONGEST, last - col)))
        whole = Window(0, 0, *self.shape)
        return tuple(Window(r * SIDE, c * SIDE, SIDE, n * SIDE).intersect(whole) for r, c, n in found)


def spread(squares: Squares, steps: int) -> Squares:
    """With all squares up to `steps` away from a True one."""
    steps = min(steps, max(squares.shape))
    for axis in (0, 1):
        padded = np.pad(squares, [(steps, steps) if a == axis else (0, 0) for a in (0, 1)])
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * steps + 1, axis=axis)
        squares = np.asarray(views.any(axis=-1))
    return squares


def squares_near(ground: Mask, length: float) -> Squares:
    """Squares of which a pixel may lie within `length` of a True one."""
    return spread(reduced(ground, np.logical_or), int(np.ceil(length / SIDE)))


def joined(squares: Squares, shape: tuple[int, int]) -> Squares:
    """Squares of the next coarser grid, of `shape`, under which one of the finer `squares` is True."""
    out = np.zeros(shape, bool)
    rows, cols = np.nonzero(squares)
    out[rows // 2, cols // 2] = True
    return out


def reduced(mask: Mask, how: np.ufunc, margin: int = 0) -> Squares:
    """Each square's `how` (logical_or, logical_and) of its pixels and of those up to `margin` round it."""
    rows, cols = ([slice(max(0, at - margin), at + SIDE + margin) for at in range(0, n, SIDE)] for n in mask.shape)
    lines = np.stack([how.reduce(mask[row], axis=0) for row in rows])
    squares: Squares = np.stack([how.reduce(lines[:, col], axis=1) for col in cols], axis=1)
    return squares


def _runs(line: Squares) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
    return list(zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True))
