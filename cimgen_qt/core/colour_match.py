"""Bring generated colours to those of the ground round the change, class by class (after Reinhard 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.grid import Window
from cimgen_qt.core.plots import Plots, squares_near
from cimgen_qt.core.raster import Labels, Mask, Pixels

Floats = NDArray[np.float32]
FEWEST = 64
"""Fewer pixels on either side do not make a statistic."""
MOST = 200_000
"""More pixels do not make it better; evenly chosen ones are taken."""
LARGEST_GAIN = 1.5


@dataclass(frozen=True, slots=True)
class Tones:
    """made * gain + shift, per class and band: (256, band)."""

    gain: Floats
    shift: Floats
    labels: Labels | None

    def apply(self, made: Floats, where: tuple[Any, Any], band: int) -> Floats:
        """Pixels of one band with their colours matched; they lie at `where` (slices or indices) of the labels."""
        classes = np.uint8(0) if self.labels is None else self.labels[where]
        out: Floats = made * self.gain[classes, band] + self.shift[classes, band]
        return out


def tones(photo: Pixels, new: Pixels, mask: Mask, ring: int, ground: Mask, labels: Labels | None) -> Tones:
    """Gives each class the median and spread of the same class on the `ground` within `ring` pixels of `mask`.

    `mask` and `ground` pixels are finite. A class that the ring does not hold follows the shift of the others together.
    Gains are kept between 1/1.5 and 1.5.
    """
    bands = photo.shape[2]
    gain, shift = np.ones((256, bands), np.float32), np.zeros((256, bands), np.float32)
    near, left, found = _ring(mask, ground, ring), [], []
    classes = np.zeros(mask.shape, np.uint8) if labels is None else labels
    for class_id in np.flatnonzero(np.bincount(classes[mask], minlength=256)).tolist():
        inside = np.flatnonzero(mask & (classes == class_id))
        outside = near[classes.reshape(-1)[near] == class_id]
        if min(inside.size, outside.size) < FEWEST:
            left.append(class_id)
            continue
        middle, spread = _statistics(new, inside)
        wanted, wanted_spread = _statistics(photo, outside)
        limits = 1 / LARGEST_GAIN, LARGEST_GAIN
        gain[class_id] = np.clip(wanted_spread / np.maximum(spread, 1e-6), *limits)
        shift[class_id] = wanted - middle * gain[class_id]
        found.append((inside.size, wanted - middle))
    if found:
        shift[left] = np.sum([n * moved for n, moved in found], axis=0) / sum(n for n, _ in found)
    return Tones(gain, shift, labels)


def _ring(mask: Mask, ground: Mask, ring: int) -> NDArray[np.intp]:
    """Flat places of the ground within `ring` pixels of the mask."""
    plots, whole = Plots.of(ground), Window(0, 0, *mask.shape)
    found = []
    for window in plots.windows(plots.some & squares_near(mask, ring)):
        seen = window.padded(ring).intersect(whole)
        near = inner_distance(~mask[seen.slices()], ring)[window.slices(seen)] <= ring
        rows, cols = np.nonzero(near & ground[window.slices()])
        found.append((rows + window.row) * mask.shape[1] + cols + window.col)
    return np.concatenate(found) if found else np.empty(0, np.intp)


def _statistics(pixels: Pixels, places: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Median and median deviation per band: a few odd pixels do not move them."""
    chosen = pixels.reshape(-1, pixels.shape[2])[places[:: -(-places.size // MOST)]].astype(np.float32)
    middle: Floats = np.median(chosen, axis=0).astype(np.float32)
    spread: Floats = (1.4826 * np.median(np.abs(chosen - middle), axis=0)).astype(np.float32)
    return middle, spread
