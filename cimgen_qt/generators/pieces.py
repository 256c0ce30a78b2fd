"""Cut what is to be filled into pieces of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Mask
from cimgen_qt.core.regions import find_areas
from cimgen_qt.generators.atlas import Level
from cimgen_qt.generators.examples import Classes

UNKNOWN, PLACED, KNOWN = 1, 2, 3
"""States of a target pixel; 0: outside, or no data."""
GROUND_SHARE = 0.25
"""From this share of its known rim on of the same class, a piece continues its surroundings."""


@dataclass(slots=True)
class Target:
    """What is to be filled, padded; `state` and `features` change while pieces are placed."""

    features: NDArray[np.int16]
    labels: Classes
    state: NDArray[np.uint8]
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Pixels `mask` of `window`, all of one class."""

    window: Window
    mask: Mask
    class_id: int

    @property
    def side(self) -> int:
        return max(self.window.shape)

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))

    @property
    def anchor(self) -> tuple[int, int]:
        """The pixel (row, col) of the piece nearest to its middle."""
        rows, cols = np.nonzero(self.mask)
        nearest = np.argmin((rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2)
        return int(rows[nearest]) + self.window.row, int(cols[nearest]) + self.window.col


def hashed(count: int, salt: int) -> NDArray[np.uint32]:
    """The hash of `patchmatch.mixed` of 0 to `count`."""
    value = (np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B1) + np.uint64(salt)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        value ^= value >> np.uint64(shift)
        value = (value * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    mixed: NDArray[np.uint32] = (value ^ (value >> np.uint64(15))).astype(np.uint32)
    return mixed


def cut(target: Target) -> list[Piece]:
    """Connected areas of one class, from the largest on."""
    wanted = target.state == UNKNOWN
    pieces = []
    for class_id in np.unique(target.labels[wanted]):
        mask = wanted & (target.labels == class_id)
        runs = find_areas([(Window(0, 0, *mask.shape), mask)])
        for number, window in enumerate(runs.windows()):
            pieces.append(Piece(window, runs.mask([number], window), int(class_id)))
    return sorted(pieces, key=lambda p: (-p.window.area, p.window))


def halves(piece: Piece) -> list[Piece]:
    """The piece cut across its longer side."""
    window, parts = piece.window, []
    tall = window.height >= window.width
    middle = (window.height if tall else window.width) // 2
    for begin, end in ((0, middle), (middle, max(window.shape))):
        here = (slice(begin, end), slice(None)) if tall else (slice(None), slice(begin, end))
        mask = piece.mask[here]
        if not mask.any():
            continue
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        tight = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        row = window.row + (begin if tall else 0) + int(rows[0])
        col = window.col + (0 if tall else begin) + int(cols[0])
        parts.append(Piece(Window(row, col, *tight.shape), tight, piece.class_id))
    return parts


def is_ground(piece: Piece, target: Target) -> bool:
    """True where the piece continues known ground of its own class, False where it stands as an object on another."""
    outer = piece.window.padded(3).intersect(Window(0, 0, *target.labels.shape))
    known = target.state[outer.slices()] >= PLACED
    same = known & (target.labels[outer.slices()] == piece.class_id)
    return bool(np.count_nonzero(same) > GROUND_SHARE * np.count_nonzero(known))
