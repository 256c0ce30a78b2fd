"""Blend coarse shapes over a wide rim and fine detail over a narrow one (Burt & Adelson 1983), inside the mask only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.pyramid import cell_sums, doubled
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
LEVELS = 5


def multiband(difference: Floats, inside: Mask, mask: Mask, feather: float) -> Floats:
    """What to add to the photo: each band of `difference` (height, width), weighted from 0 at the rim to 1 inside.

    `difference` is 0 outside `inside`; `mask` is all but the ground that it is to meet. The finest band is faded in
    over `feather` pixels, each coarser one over twice as many, so nothing jumps at the rim.
    """
    coarse, shape = _filled(difference, inside), mask
    sizes = [difference.shape]
    bands: list[tuple[Floats, Floats]] = []
    for _ in range(LEVELS):
        half_mask = _eroded(shape)
        if rim_weight(half_mask, feather).max(initial=0) < 1:  # too small to be faded in over so wide a rim
            break
        half = cell_sums(coarse, "edge") / np.float32(4)
        bands.append((coarse - doubled(half, coarse.shape), rim_weight(shape, feather)))
        coarse, shape = half, half_mask
        sizes.append(coarse.shape)
    total = coarse * rim_weight(shape, feather)
    for (band, weight), size in zip(reversed(bands), reversed(sizes[: len(bands)]), strict=True):
        total = doubled(total, size) + band * weight
    # The coarse weights are made on coarse pixels: at the very rim the finest weight has the last word.
    last: Floats = np.minimum(np.float32(1), inner_distance(mask, 2) / np.float32(2))
    return total * last


def _filled(difference: Floats, inside: Mask) -> Floats:
    """With its own mean outside, so that a hard edge is not smeared by the coarse bands."""
    mean = difference[inside].mean(dtype=np.float64) if inside.any() else 0.0
    return np.where(inside, difference, np.float32(mean)).astype(np.float32)


def rim_weight(mask: Mask, feather: float) -> Floats:
    """0 at the rim to 1 at `feather` pixels inside, smooth at both ends."""
    if feather <= 0:
        return mask.astype(np.float32)
    t = np.clip((inner_distance(mask, int(np.ceil(feather)) + 1) - 0.5) / np.float32(feather), 0, 1)
    weight: Floats = t * t * (3 - 2 * t)
    return weight


def _eroded(mask: Mask) -> Mask:
    """Cells that lie wholly inside."""
    height, width = mask.shape
    padded = np.pad(mask, ((0, height % 2), (0, width % 2)), mode="edge")
    whole: Mask = padded[0::2, 0::2] & padded[1::2, 0::2] & padded[0::2, 1::2] & padded[1::2, 1::2]
    return whole
