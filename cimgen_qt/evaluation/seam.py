"""Whether a seam is seen round an edit: jumps across its rim, and the gap of colour between inside and outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask, Pixels

BAND = 6
"""Pixels on each side of the rim that it is compared with."""
_LUMA = np.array([0.299, 0.587, 0.114])
_WHITE = np.array([0.95047, 1.0, 1.08883])
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def jump_ratio(picture: Pixels, mask: Mask) -> float:
    """Mean jump of brightness between neighbours across the rim, over that between neighbours up to 6 pixels from it.

    1 is what an untouched photo has; NaN where there is no rim. `picture` is (height, width, 3) of 0..255.
    """
    luma = picture[..., :3].astype(np.float64) @ _LUMA
    near = _ring(mask, inside=True) | _ring(mask, inside=False)
    across, beside = [], []
    for axis in (0, 1):
        jump = np.abs(np.diff(luma, axis=axis))
        first, second = (np.delete(mask, place, axis) for place in (-1, 0))
        close = np.delete(near, -1, axis) & np.delete(near, 0, axis)
        across.append(jump[first != second])
        beside.append(jump[close & (first == second)])
    at, around = np.concatenate(across), np.concatenate(beside)
    if not at.size or not around.size or around.mean() == 0:
        return float("nan")
    return float(at.mean() / around.mean())


def ring_gap(picture: Pixels, mask: Mask) -> float:
    """Difference (CIEDE2000) between the mean colours of the rings inside and outside the rim; NaN without a rim."""
    inside, outside = _ring(mask, True), _ring(mask, False)
    if not inside.any() or not outside.any():
        return float("nan")
    one, other = (_lab(picture[ring][:, :3].astype(np.float64).mean(0) / 255) for ring in (inside, outside))
    return ciede2000(one, other)


def _ring(mask: Mask, inside: bool) -> Mask:
    from scipy.ndimage import distance_transform_cdt

    area = mask if inside else ~mask
    if area.all():
        return np.zeros_like(mask)
    found: Mask = area & (distance_transform_cdt(area, "taxicab") <= BAND)
    return found


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of an sRGB colour from 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    scaled = _XYZ @ linear / _WHITE
    f = np.where(scaled > 216 / 24389, np.cbrt(scaled), (24389 / 27 * scaled + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Colour difference of two L*a*b* colours (CIE 142-2001; Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 if a or b else 0.0 for a, b in ((a1, b1), (a2, b2)))
    turn = h2 - h1
    turn = 0.0 if c1 * c2 == 0 else turn - 360 * np.sign(turn) if abs(turn) > 180 else turn
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, c = (l1 + l2) / 2, (c1 + c2) / 2
    h = h1 + h2 if c1 * c2 == 0 else (h1 + h2) / 2
    if c1 * c2 and abs(h1 - h2) > 180:
        h = (h1 + h2 + 360) / 2 if h1 + h2 < 360 else (h1 + h2 - 360) / 2
    t = (1 - 0.17 * np.cos(np.radians(h - 30)) + 0.24 * np.cos(np.radians(2 * h))
         + 0.32 * np.cos(np.radians(3 * h + 6)) - 0.20 * np.cos(np.radians(4 * h - 63)))  # fmt: skip
    sl = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t
    rc = 2 * np.sqrt(c**7 / (c**7 + 25.0**7))
    rt = -np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2)))) * rc
    return float(np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh)))
