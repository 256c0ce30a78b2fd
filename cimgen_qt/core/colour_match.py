"""Bring generated colours to those of the ground round the change, class by class (after Reinhard 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.raster import Labels, Mask

Floats = NDArray[np.float32]
FEWEST = 64
"""Fewer pixels on either side do not make a statistic."""
LARGEST_GAIN = 1.5


def colour_match(photo: Floats, new: Floats, mask: Mask, ring: int, usable: Mask, labels: Labels | None) -> Floats:
    """`new` with, for each class, the median and spread of the same class within `ring` pixels outside `mask`.

    Arrays are (height, width, band). A class that the ring does not hold follows the shift of the others together.
    Gains are kept between 1/1.5 and 1.5.
    """
    near = (inner_distance(~mask, ring) <= ring) & ~mask & usable
    classes = np.zeros(mask.shape, np.uint8) if labels is None else labels
    out: Floats = new.copy()
    left = []
    shifts: list[tuple[int, Floats]] = []
    for class_id in np.unique(classes[mask]).tolist():
        inside, outside = mask & usable & (classes == class_id), near & (classes == class_id)
        if min(int(inside.sum()), int(outside.sum())) < FEWEST:
            left.append(inside)
            continue
        middle, spread = _statistics(new[inside])
        wanted, wanted_spread = _statistics(photo[outside])
        gain = np.clip(wanted_spread / np.maximum(spread, 1e-6), 1 / LARGEST_GAIN, LARGEST_GAIN)
        out[inside] = ((new[inside] - middle) * gain + wanted).astype(np.float32)
        shifts.append((int(inside.sum()), wanted - middle))
    if shifts:
        weight = sum(count for count, _ in shifts)
        common = np.sum([count * shift for count, shift in shifts], axis=0) / weight
        for inside in left:
            out[inside] = new[inside] + common
    return out


def _statistics(pixels: Floats) -> tuple[Floats, Floats]:
    """Median and median deviation per band: a few odd pixels do not move them."""
    middle: Floats = np.median(pixels, axis=0).astype(np.float32)
    spread: Floats = (1.4826 * np.median(np.abs(pixels - middle), axis=0)).astype(np.float32)
    return middle, spread
