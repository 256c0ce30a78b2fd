"""Choose the window of an unedited scene by which a network's statistics are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.raster import Mask
from cimgen_qt.core.resample import nearest, shrink_or_grow
from cimgen_qt.core.tiling import Lattice

LONGEST = 1024
"""Side of the window, for a generator that takes whole areas and so names no tile."""
PLACES = 3
"""Windows that are looked at, along each side of the scene."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`share` is how much of the request's ground holds data."""

    request: Request
    share: float


def sample(scene: SceneView, spec: GeneratorSpec) -> Sample:
    """The window with the richest mixture of classes, as a request of a size that the generator will meet.

    It shows the original map and photo; the middle half is masked, for networks that look at the mask. The same scene
    and spec give the same window.
    """
    windows = candidates(scene.grid, spec)
    scores = [_richness(scene, window) for window in windows]
    window = windows[int(np.argmax(scores))]
    rows, cols = Lattice.of(spec, scene.grid).scale
    size = max(1, round(window.height * rows)), max(1, round(window.width * cols))
    valid = nearest(scene.read_valid(window), *size)
    request = Request(
        window,
        nearest(scene.read_map(window), *size),
        shrink_or_grow(scene.read_photo(window), *size),
        _middle(*size),
        valid,
        0,
        spec.metres_per_pixel or scene.grid.metres_per_pixel,
    )
    return Sample(request, float(valid.mean()))


def candidates(grid: Grid, spec: GeneratorSpec) -> list[Window]:
    """Windows inside the grid, the middle one first, so that it wins where all are alike."""
    rows, cols = Lattice.of(spec, grid).scale
    side = spec.tile + 2 * (-(-spec.halo // spec.stride) * spec.stride) if spec.tile else min(spec.largest, LONGEST)
    height, width = min(grid.height, max(1, round(side / rows))), min(grid.width, max(1, round(side / cols)))
    steps = sorted(np.linspace(0, 1, PLACES), key=lambda share: abs(share - 0.5))
    found = [
        Window(round(down * (grid.height - height)), round(right * (grid.width - width)), height, width)
        for down in steps
        for right in steps
    ]
    return list(dict.fromkeys(found))


def _richness(scene: SceneView, window: Window) -> float:
    """Entropy of the classes (nats), by the share of ground that holds data."""
    valid = scene.read_valid(window)
    counts: NDArray[np.int64] = np.bincount(scene.read_map(window)[valid], minlength=1)
    if not counts.any():
        return -1.0
    shares = counts[counts > 0] / counts.sum()
    return float(valid.mean() * (1.0 - (shares * np.log(shares)).sum()))


def _middle(height: int, width: int) -> Mask:
    made = np.zeros((height, width), np.bool_)
    made[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return made
