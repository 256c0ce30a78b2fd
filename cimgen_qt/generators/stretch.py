"""Which levels of a photo count as dark and bright, so that a model made for one depth can be fed another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Pixels

SHARES = (0.5, 99.5)
"""Percentiles of the scene that count as darkest and brightest where no card says it."""
SAMPLES = 8
"""Places a row and a column at which a large scene is measured."""
SIDE = 128
"""Of such a place, in pixels."""
_SNAP = 0.5 + 2.0**-10
"""Rounds half up, a thousandth of a level early: values that stand on a half by design, as x.5 of two mixed tones do,
then round alike whatever the last bits of a float computation were."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Native values `low` and `high` stand for 0 and 1, in all bands alike so that hues stay."""

    low: float
    high: float
    measured: bool = False
    """Found in the scene, not given by the dtype or the card."""

    def unit(self, pixels: Pixels) -> NDArray[np.float32]:
        """From native values to 0..1; beyond `low` and `high` is cut off, what is no number becomes 0."""
        values = np.nan_to_num(pixels.astype(np.float32), nan=self.low, posinf=self.high, neginf=self.low)
        shares: NDArray[np.float32] = np.clip((values - self.low) * np.float32(1.0 / (self.high - self.low)), 0.0, 1.0)
        return shares

    def native(self, shares: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
        """From 0..1 back, rounded and kept within `dtype` where that holds whole numbers."""
        values = self.low + np.clip(shares, 0.0, 1.0).astype(np.float64) * (self.high - self.low)
        if dtype.kind == "f":
            return values.astype(dtype)
        limits = np.iinfo(dtype)
        return np.clip(np.floor(values + _SNAP), limits.min, limits.max).astype(dtype)


def stretch_for(
    photo_dtype: str, card_dtype: str, levels: tuple[float, float] | None, scene: SceneView, bands: Sequence[int]
) -> Stretch:
    """By the card where the photo has the dtype that the model learned from, else measured in `bands` of the scene."""
    if photo_dtype == card_dtype:
        if levels is not None:
            return Stretch(*levels)
        if photo_dtype == "uint8":
            return Stretch(0.0, 255.0)
    return measured(scene, bands)


def measured(scene: SceneView, bands: Sequence[int]) -> Stretch:
    """Percentiles of a fixed sample of the whole scene. Raises ModelError where it holds no data, or but one value."""
    found = [_values(scene, window, list(bands)) for window in _places(scene.grid.window)]
    values = np.concatenate(found) if found else np.empty(0)
    if not values.size:
        raise ModelError("the photo holds no data to measure its range by", hint="Check its nodata value and mask.")
    low, high = (float(v) for v in np.percentile(values, SHARES))
    if not high > low:
        raise ModelError(
            f"the photo holds nothing but the value {low:g}, so its range cannot be told",
            hint="Give `levels` and `dtype` in the model's card.",
        )
    return Stretch(low, high, True)


def _values(scene: SceneView, window: Window, bands: list[int]) -> NDArray[np.float64]:
    pixels, valid = scene.read_photo(window), scene.read_valid(window)
    values = pixels[valid][:, bands].astype(np.float64).ravel()
    return values[np.isfinite(values)]


def _places(whole: Window) -> list[Window]:
    """The whole of a small scene; of a large one a net of squares, the same each time."""
    if max(whole.shape) <= SAMPLES * SIDE:
        return [whole]
    rows, cols = (sorted({int(v) for v in np.linspace(0, max(0, n - SIDE), SAMPLES)}) for n in whole.shape)
    return [Window(row, col, SIDE, SIDE).intersect(whole) for row in rows for col in cols]
