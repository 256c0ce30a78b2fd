"""Read classes from colours: the nearest colour of the palette, as far as it is near enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.palette_io import colour_of
from cimgen_qt.core.raster import Labels

TOLERANCE = 40.0
"""How far a colour may lie from its class's, as the Euclidean distance of 8-bit red, green and blue."""
FARTHEST = 442.0
"""From black to white."""
Colour = tuple[int, int, int]


class ColourClasses:
    """Colours that stand for classes; 0 for what is farther than the tolerance from all of them."""

    def __init__(self, colours: Iterable[tuple[Colour, int]], tolerance: float | None) -> None:
        """Pairs of colour and class id. Raises `MapError` for a tolerance that makes no sense."""
        pairs = list(colours)
        self._colours = np.array([colour for colour, _ in pairs], np.float32).reshape(-1, 3)
        self._ids = np.array([class_id for _, class_id in pairs], np.uint8)
        self._tolerance = TOLERANCE if tolerance is None else tolerance
        if not pairs:
            raise MapError("there is no colour to look for", hint="Give a palette or a table with colours.")
        if not 0 <= self._tolerance <= FARTHEST:
            raise MapError(f"a tolerance of {tolerance} makes no sense", hint=f"Give 0 to {FARTHEST:.0f}.")

    def read(self, planes: NDArray[Any], valid: NDArray[np.bool_], unmapped: Counter[str]) -> Labels:
        """`planes` is (3 or more, height, width) of uint8; far colours that are data are counted as "#rrggbb"."""
        red, green, blue = planes[:3].astype(np.int32)
        codes, inverse = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
        ids, near = self.nearest(np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1))
        inverse = inverse.reshape(valid.shape)
        counts = np.bincount(inverse[valid], minlength=len(codes))
        for number in np.nonzero(~near & (counts > 0))[0].tolist():
            unmapped[f"#{int(codes[number]):06x}"] += int(counts[number])
        labels: Labels = np.where(valid, ids[inverse], 0).astype(np.uint8)
        return labels

    def nearest(self, colours: NDArray[Any]) -> tuple[Labels, NDArray[np.bool_]]:
        """Class id of each colour (number, 3), and whether one is near enough; of equals the first."""
        best = np.full(len(colours), np.inf, np.float32)
        ids = np.zeros(len(colours), np.uint8)
        for colour, class_id in zip(self._colours, self._ids, strict=True):
            distance = np.linalg.norm(colours.astype(np.float32) - colour, axis=1)
            ids = np.where(distance < best, class_id, ids)
            best = np.minimum(best, distance)
        near = best <= self._tolerance
        return np.where(near, ids, 0).astype(np.uint8), near


def colours_to_find(palette: Palette, table: Mapping[str, int] | None) -> list[tuple[Colour, int]]:
    """Those of the palette (without unlabelled), or those of a table whose keys are colours like "#d55e00"."""
    if table is None:
        return [(c.colour, c.id) for c in palette if c.id]
    try:
        return [(colour_of(value), class_id) for value, class_id in table.items()]
    except ValueError as error:
        raise MapError(
            f"the table does not fit a coloured map: {error}", hint='Write "#d55e00" = "building".'
        ) from error
