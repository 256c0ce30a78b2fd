"""Lay many pieces of a scene on one sheet, at several scales, so that one number names a source pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask, Pixels
from cimgen_qt.generators.examples import Classes, Example

LEVELS = 3
"""Full size, half and quarter."""
CELL = 1 << (LEVELS - 1)
"""Places on a sheet are multiples of this, so that they stay whole at every level."""
GAP = 16
"""Unusable pixels round every piece: a patch at the coarsest level never reaches another piece."""
BORDER_CAP = 24
"""In thirds of a pixel: farther than this from the border of its class a pixel counts as inside."""
BORDER_WEIGHT = 10
FULL = 1023
"""Largest value of a photo feature."""
OVERSHOOT = 128
"""Room for tones outside the usual range, at either end."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Maps the bands of a photo, in up to three groups, to features from 0 to 1023; `low`, `high` are by band."""

    groups: tuple[tuple[int, ...], ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def features(self, pixels: Pixels, known: Mask) -> NDArray[np.int16]:
        """(height, width, 4): the groups and an empty channel; 0 where not known."""
        made = np.zeros((*pixels.shape[:2], 4), np.int16)
        for channel, group in enumerate(self.groups):
            index = list(group)
            values = np.where(known[..., None], pixels[..., index], self.low[index]).astype(np.float32)
            span = np.maximum(self.high[index] - self.low[index], 1e-6)
            share = ((values - self.low[index]) / span).mean(axis=2)
            made[..., channel] = np.clip(np.rint(share * (FULL - 2 * OVERSHOOT)) + OVERSHOOT, 0, FULL)
            made[~known, channel] = 0
        return made


def measure(examples: Sequence[Example], alpha: int | None) -> Scaling:
    """Scaling by the 1st and 99th percentile of each band, the alpha band left out."""
    found = np.concatenate([e.pixels[e.classes >= 0][::7] for e in examples]).astype(np.float32)
    low, high = (np.percentile(found, share, axis=0).astype(np.float32) for share in (1, 99))
    bands = [band for band in range(found.shape[1]) if band != alpha] or [0]
    groups = tuple(tuple(int(b) for b in group) for group in np.array_split(np.array(bands), min(3, len(bands))))
    return Scaling(groups, low, high)


@dataclass(frozen=True)
class Level:
    """A sheet at one scale: int16 `features` (height, width, 4) and `classes` (height, width)."""

    features: NDArray[np.int16]
    classes: Classes

    @cached_property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Usable pixels sorted by class, and where each class begins (257 entries)."""
        flat = self.classes.ravel()
        usable = np.flatnonzero(flat >= 0)
        order = np.argsort(flat[usable], kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(flat[usable], minlength=256))])
        return usable[order], starts.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Atlas:
    """`pixels` in the dtype of the photo, `levels` from the finest on, `places` (row, col) of each piece."""

    pixels: Pixels
    levels: tuple[Level, ...]
    places: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.levels[0].classes.shape


def pack(pieces: Sequence[Example], scaling: Scaling, width: int = 0) -> Atlas:
    """Lay pieces side by side on shelves at least `width` wide."""
    width = max([width, *(-(-p.classes.shape[1] // CELL) * CELL + 2 * GAP for p in pieces)])
    places: list[tuple[int, int]] = []
    top, left, shelf = GAP, GAP, 0
    for piece in pieces:
        height, length = (-(-side // CELL) * CELL for side in piece.classes.shape)
        if left + length + GAP > width:
            top, left, shelf = top + shelf + GAP, GAP, 0
        places.append((top, left))
        left, shelf = left + length + GAP, max(shelf, height)
    bottom = top + shelf + GAP
    pixels = np.zeros((bottom, width, pieces[0].pixels.shape[2]), pieces[0].pixels.dtype)
    features = np.zeros((bottom, width, 4), np.int16)
    classes = np.full((bottom, width), -1, np.int16)
    for piece, (row, col) in zip(pieces, places, strict=True):
        height, length = piece.classes.shape
        here = slice(row, row + height), slice(col, col + length)
        pixels[here], classes[here] = piece.pixels, piece.classes
        features[here] = scaling.features(piece.pixels, piece.classes >= 0)
    return Atlas(pixels, pyramid(features, classes), tuple(places))


def pyramid(features: NDArray[np.int16], classes: Classes) -> tuple[Level, ...]:
    """Halve until there are `LEVELS`, and measure the distance to the border of the class at each."""
    from cimgen_qt.generators import patchmatch

    known = (classes >= 0).astype(np.uint8)
    levels: list[Level] = []
    while True:
        features[..., 3] = patchmatch.chamfer(classes, BORDER_CAP) * BORDER_WEIGHT
        levels.append(Level(features, classes))
        if len(levels) == LEVELS:
            return tuple(levels)
        features, classes, known = patchmatch.halved(features, classes, known)


def stack(atlases: Sequence[Atlas]) -> Atlas:
    """One below the other, widened to the widest."""
    width = max(atlas.shape[1] for atlas in atlases)
    levels = []
    for number in range(LEVELS):
        parts = [atlas.levels[number] for atlas in atlases]
        features = np.concatenate([_widened(p.features, width >> number, 0) for p in parts])
        levels.append(Level(features, np.concatenate([_widened(p.classes, width >> number, -1) for p in parts])))
    tops = np.cumsum([0, *(atlas.shape[0] for atlas in atlases)])
    places = [(int(top) + r, c) for top, atlas in zip(tops, atlases, strict=False) for r, c in atlas.places]
    return Atlas(np.concatenate([_widened(a.pixels, width, 0) for a in atlases]), tuple(levels), tuple(places))


def _widened(array: NDArray[np.generic], width: int, value: int) -> NDArray[np.generic]:
    if array.shape[1] == width:
        return array
    wide = np.full((array.shape[0], width, *array.shape[2:]), value, array.dtype)
    wide[:, : array.shape[1]] = array
    return wide
