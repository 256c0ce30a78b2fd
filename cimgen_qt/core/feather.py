"""Fade generated pixels in from the rim of a change, inside the mask only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.grid import Window
from cimgen_qt.core.plots import Plots, squares_near
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
Difference = Callable[[Window], Floats]
"""Made minus photo, in a window."""


class Feather:
    """Weights from 0 at the `ground` that is to be met to 1 at `width` pixels from it; shared by all bands."""

    def __init__(self, inside: Mask, ground: Mask, width: float) -> None:
        plots = Plots.of(inside)
        near = plots.some & squares_near(ground, width)
        self.far = plots.windows(plots.some & ~near)
        """What is laid in as it was made; `spread` gives all other windows that hold a pixel of the mask."""
        self._near = [(window, rim_loss(ground, window, width)) for window in plots.windows(near)]

    def spread(self, difference: Difference) -> Iterator[tuple[Window, Floats]]:
        """What to add to the made pixels, in windows."""
        for window, loss in self._near:
            yield window, np.zeros(window.shape, np.float32) if loss is None else -difference(window) * loss


def rim_loss(ground: Mask, window: Window, width: float) -> Floats | None:
    """1 at the True pixels of `ground` to 0 at `width` pixels from them, smooth at both ends; None if 0 all over."""
    margin = int(np.ceil(width)) + 1
    seen = window.padded(margin).intersect(Window(0, 0, *ground.shape))
    near = ground[seen.slices()]
    if not near.any():
        return None
    if width <= 0:
        return ground[window.slices()].astype(np.float32)
    distance = inner_distance(~near, margin)[window.slices(seen)]
    t = np.clip((distance - np.float32(0.5)) / np.float32(width), 0, 1)
    loss: Floats = 1 - t * t * (3 - 2 * t)
    return loss
