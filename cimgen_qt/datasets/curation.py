"""What is wrong with a tile: measured, compared with limits, told with its figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Labels, Mask, Pixels
from cimgen_qt.datasets.request import Limits

URBAN = ("building", "road")
WHOLE = 0.85
"""The share of a row or column that a seam goes along: shores and walls end sooner."""
LONG = 64
"""Shorter lines than this, in pixels, are walls as well as seams."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a tile is left out, and by which figure."""

    reason: str
    detail: str


def fault_of(
    photo: Pixels,
    labels: Labels,
    valid: Mask,
    names: dict[int, str],
    limits: Limits,
    calm: tuple[str, ...] = ("water",),
) -> Fault | None:
    """The first rule that a tile breaks; None where it is good."""
    light = luminance(photo)
    share = {names.get(i, "unlabelled"): float((labels == i).mean()) for i in np.unique(labels)}
    smooth = sum(share.get(name, 0.0) for name in calm)
    urban = sum(share.get(name, 0.0) for name in URBAN)
    checks: tuple[tuple[str, float | None, Callable[[], float], int], ...] = (
        ("no data", limits.nodata, lambda: float(1 - valid.mean()), 1),
        ("unlabelled", limits.unlabelled, lambda: float((labels == 0).mean()), 1),
        ("saturated", limits.saturated, lambda: _saturated(photo), 1),
        ("blurred", limits.blur if smooth < 0.5 else None, lambda: sharpness(light), -1),
        ("stitching seam", limits.seam if min(labels.shape) >= LONG else None, lambda: seam(light), 1),
        ("cloud", limits.cloud, lambda: _cloud(photo, light), 1),
        ("not urban", limits.urban, lambda: urban, -1),
        ("one class alone", limits.dominant, lambda: max(share.values(), default=0.0), 1),
    )
    for reason, limit, measure, sign in checks:
        if limit is not None and sign * (figure := measure()) > sign * limit:
            return Fault(reason, f"{figure:.3g} (limit {limit:g})")
    return None


def luminance(photo: Pixels) -> NDArray[np.float32]:
    """(height, width) from 0 to 255: the mean of the first three bands, stretched where they are not 8 bit."""
    light: NDArray[np.float32] = photo[..., :3].astype(np.float32).mean(2)
    if photo.dtype != np.uint8:
        low, high = np.nanpercentile(light, [1, 99])
        light = np.clip((light - low) / max(1e-9, high - low), 0, 1) * 255
    found: NDArray[np.float32] = np.nan_to_num(light).astype(np.float32)
    return found


def sharpness(light: NDArray[np.float32]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000)."""
    inner = light[1:-1, 1:-1]
    around = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:]
    return float((4 * inner - around).var())


def seam(light: NDArray[np.float32]) -> float:
    """The strongest jump along a row or column, the same way nearly all along it, over the usual one."""
    worst = 0.0
    for axis in (0, 1):
        jumps = np.diff(light, axis=axis)
        least, most = np.quantile(jumps, [1 - WHOLE, WHOLE], axis=1 - axis)
        along = np.maximum(np.maximum(least, -most), 0)
        usual = float(np.median(np.abs(jumps))) + 0.5
        worst = max(worst, float(along.max()) / usual)
    return worst


def _saturated(photo: Pixels) -> float:
    if photo.dtype.kind == "f":
        return 0.0
    limits = (0, 255) if photo.dtype == np.uint8 else (0, int(np.iinfo(photo.dtype).max))
    ends = ((photo[..., :3] <= limits[0]) | (photo[..., :3] >= limits[1])).all(2)
    return float(ends.mean())


def _cloud(photo: Pixels, light: NDArray[np.float32]) -> float:
    if photo.dtype != np.uint8 or photo.shape[2] < 3:
        return 0.0
    colour = photo[..., :3].max(2).astype(np.int16) - photo[..., :3].min(2)
    rough = np.abs(np.diff(light, axis=1, append=light[:, -1:]))
    return float(((light > 225) & (colour < 20) & (rough < 3)).mean())
