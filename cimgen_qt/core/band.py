"""One band of photo and generated pixels as numbers to calculate with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.colour_match import Tones
from cimgen_qt.core.grid import Window
from cimgen_qt.core.pieces import Piece
from cimgen_qt.core.raster import Mask, Pixels

Floats = NDArray[np.float32]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns."""


class Band:
    """Reads by windows or places of a piece; what is not finite counts as 0. Made pixels come with colours matched."""

    def __init__(self, photo: Pixels, new: Pixels, piece: Piece, number: int, tones: Tones | None) -> None:
        here = piece.window.slices()
        self._photo: NDArray[Any] = photo[here][..., number]
        self._new: NDArray[Any] = new[here][..., number]
        self._piece, self._number, self._tones = piece, number, tones

    def made(self, window: Window) -> Floats:
        values = _finite(self._new[window.slices()])
        if self._tones is None:
            return values
        moved = window.shifted(self._piece.window.row, self._piece.window.col)
        return self._tones.apply(values, moved.slices(), self._number)

    def difference(self, window: Window) -> Floats:
        """Made minus photo."""
        out = self.made(window)
        out -= _finite(self._photo[window.slices()])
        return out

    def steps(self, rim: Places, radius: int) -> Floats:
        """Photo minus what was made, at places just outside the mask.

        Where the maker kept the photo there, the mean of the photo within `radius` outside is compared with the mean of
        what was made within it inside: single pixels would carry their grain far into the mask.
        """
        steps = _finite(self._photo[rim]) - self._made_at(rim)
        kept = np.flatnonzero(self._photo[rim] == self._new[rim])
        if not kept.size:
            return steps
        places = rim[0][kept], rim[1][kept]
        there, made = _Mean(kept.size), _Mean(kept.size)
        shape = self._photo.shape
        for down in range(-radius, radius + 1):
            for right in range(-radius, radius + 1):
                rows, cols = places[0] + down, places[1] + right
                ok = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
                near = rows.clip(0, shape[0] - 1), cols.clip(0, shape[1] - 1)
                there.add(_finite(self._photo[near]), ok & self._piece.ground[near])
                made.add(self._made_at(near), ok & self._piece.inside[near])
        steps[kept] = there.value - made.value
        return steps

    def _made_at(self, places: Places) -> Floats:
        values = _finite(self._new[places])
        if self._tones is None:
            return values
        moved = places[0] + self._piece.window.row, places[1] + self._piece.window.col
        return self._tones.apply(values, moved, self._number)


class _Mean:
    def __init__(self, size: int) -> None:
        self._total, self._count = np.zeros(size, np.float32), np.zeros(size, np.float32)

    def add(self, values: Floats, counted: Mask) -> None:
        self._total += values * counted
        self._count += counted

    @property
    def value(self) -> Floats:
        mean: Floats = self._total / np.maximum(self._count, np.float32(1))
        return mean


def _finite(values: NDArray[Any]) -> Floats:
    out: Floats = values.astype(np.float32)
    return out if values.dtype.kind != "f" else np.nan_to_num(out, copy=False, posinf=0.0, neginf=0.0)
