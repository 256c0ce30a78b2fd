"""What a blend mode adds to generated pixels so that they meet the photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.band import Band
from cimgen_qt.core.feather import Feather
from cimgen_qt.core.grid import Window
from cimgen_qt.core.membrane import Membrane
from cimgen_qt.core.multiband import Multiband
from cimgen_qt.core.pieces import Piece

Floats = NDArray[np.float32]
NEAR = 3
"""Pixels to each side that make a mean of the ground at the rim."""


class Seam(Protocol):
    """Prepared once for a piece and used for each of its bands."""

    @property
    def far(self) -> tuple[Window, ...]:
        """Ground that stays as it was made; `spread` covers all other pixels of the piece."""
        ...

    def spread(self, band: Band) -> Iterator[tuple[Window, Floats]]:
        """What to add to the made pixels of a window, where they are of the piece."""
        ...


class FeatherSeam:
    def __init__(self, piece: Piece, width: float) -> None:
        self._feather = Feather(piece.inside, piece.ground, width)
        self.far = self._feather.far

    def spread(self, band: Band) -> Iterator[tuple[Window, Floats]]:
        return self._feather.spread(band.difference)


class MultibandSeam:
    def __init__(self, piece: Piece, width: float) -> None:
        self._pyramids = Multiband(piece.inside, piece.ground, width)
        self.far = self._pyramids.far

    def spread(self, band: Band) -> Iterator[tuple[Window, Floats]]:
        return self._pyramids.spread(band.difference)


class MembraneSeam:
    """Without `tau` the gradient domain of Perez (2003), with it the same that dies away inside."""

    def __init__(self, piece: Piece, tau: float | None) -> None:
        self._membrane = Membrane(piece.inside, piece.ground, tau)
        self.far = self._membrane.far

    def spread(self, band: Band) -> Iterator[tuple[Window, Floats]]:
        return self._membrane.spread(band.steps(self._membrane.rim, NEAR))
