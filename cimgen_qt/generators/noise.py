"""Noise that belongs to the ground: the same pixel gets the same value in every tile that sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finisher of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(_STEPS[0])
        values = (values ^ (values >> np.uint64(30))) * np.uint64(_STEPS[1])
        values = (values ^ (values >> np.uint64(27))) * np.uint64(_STEPS[2])
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


def ground_noise(seed: int, channels: int, row: int, col: int, height: int, width: int) -> NDArray[np.float32]:
    """Standard normal values (channels, height, width) for pixels from (`row`, `col`) on, which may be negative.

    A counter-based hash of seed, channel, row and column, turned normal by Box and Muller (1958): no state, so no order
    of tiles matters.
    """
    rows = np.arange(row, row + height, dtype=np.int64).view(np.uint64)[:, None]
    cols = np.arange(col, col + width, dtype=np.int64).view(np.uint64)[None, :]
    made = np.empty((channels, height, width), np.float32)
    for channel in range(channels):
        start = np.array([seed & 0xFFFFFFFFFFFFFFFF, channel], np.uint64)
        salt = _mixed(_mixed(start[:1]) ^ start[1:])
        bits = _mixed(_mixed(_mixed(rows ^ salt)) ^ cols)
        first = ((bits >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32
        second = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32
        made[channel] = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return made
