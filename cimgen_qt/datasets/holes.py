"""Holes to learn from: what an edit may look like, drawn by chance over a crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Labels, Mask

SMALLEST, LARGEST = 0.04, 0.6
"""Share of the crop that a hole may cover; those for the whole crop apart."""


def random_hole(labels: Labels, rng: np.random.Generator, whole: float) -> Mask:
    """One hole: the whole crop with probability `whole`, else an ellipse, a turned rectangle, an object or a class."""
    if rng.random() < whole:
        return np.ones(labels.shape, np.bool_)
    kind = rng.choice(["ellipse", "rectangle", "object", "class"], p=[0.3, 0.3, 0.25, 0.15])
    if kind in ("object", "class"):
        found = _of_class(labels, rng, kind == "object")
        if SMALLEST / 4 <= found.mean() <= LARGEST:
            return found
        kind = "ellipse"
    found = _shape(labels.shape, rng, kind == "ellipse")
    if rng.random() < 0.3:
        found |= _shape(labels.shape, rng, rng.random() < 0.5)
    return found


def _shape(shape: tuple[int, ...], rng: np.random.Generator, ellipse: bool) -> Mask:
    height, width = shape
    area = rng.uniform(SMALLEST, LARGEST / 1.5) * height * width
    ratio = np.exp(rng.uniform(-0.8, 0.8))
    along, across = np.sqrt(area * ratio) / 2, np.sqrt(area / ratio) / 2
    angle = rng.uniform(0, np.pi)
    rows = np.arange(height)[:, None] - rng.uniform(0.15, 0.85) * height
    cols = np.arange(width)[None] - rng.uniform(0.15, 0.85) * width
    u: NDArray[np.float64] = (rows * np.cos(angle) + cols * np.sin(angle)) / along
    v: NDArray[np.float64] = (cols * np.cos(angle) - rows * np.sin(angle)) / across
    inside: Mask = u * u + v * v <= 1.27 if ellipse else np.maximum(abs(u), abs(v)) <= 1
    return inside


def _of_class(labels: Labels, rng: np.random.Generator, one_object: bool) -> Mask:
    """All of a class in the crop, or one connected piece of it, a few pixels wider than the map has it."""
    from scipy.ndimage import binary_dilation, label

    present = np.unique(labels)
    found: Mask = labels == rng.choice(present)
    if one_object:
        pieces, count = label(found)
        if count > 1:
            found = pieces == pieces[found][rng.integers(int(found.sum()))]
    wider: Mask = binary_dilation(found, iterations=int(rng.integers(1, 6)))
    return wider
