"""Ground of one scene to learn from and to be judged on: windows that do not touch each other's pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.resample import nearest, shrink_or_grow
from cimgen_qt.generators.bands import require_bands
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.encode import class_table
from cimgen_qt.generators.stretch import stretch_for
from cimgen_qt.training.crops import Tile

SIDES = (512, 384, 256, 192, 128)
"""Of windows, in pixels of the model; the largest of which enough fit into the scene is taken."""
ENOUGH = 12
MOST = 64
HELD_OUT = 8
"""One window in so many is held out, and at least two are."""
_VALID, _LABELLED = 0.98, 0.3
_PHOTO = ("photo", "masked-photo")


def read_ground(
    scene: SceneView, card: ModelCard, scale: tuple[float, float], seed: int
) -> Job[tuple[list[Tile], list[Tile]]]:
    """Windows to learn from and windows held out, as the model sees them: its resolution, bands, range and classes.

    `scale` is model pixels a scene pixel, along rows and columns. Raises CimgenError where the scene has too little
    ground that is both photographed and labelled.
    """
    bands = next(require_bands(group.bands, scene.info) for group in card.inputs if group.group in _PHOTO)
    table = class_table(card, scene.palette)
    stretch = stretch_for(scene.info.dtype, card.dtype, card.levels, scene, bands)
    side, windows = _windows(scene.grid.window, scale)
    order = np.random.default_rng([seed, 11]).permutation(len(windows))
    found: list[Tile] = []
    for number in order:
        if len(found) == MOST:
            break
        window = windows[int(number)]
        yield Progress(len(found), min(MOST, len(windows)), "reading the scene")
        labels = scene.read_map(window)
        if scene.read_valid(window).mean() < _VALID or (table.look_up(labels) >= 0).mean() < _LABELLED:
            continue
        photo = shrink_or_grow(scene.read_photo(window)[..., bands], side, side)
        grey = np.round(stretch.unit(photo) * 255).astype(np.uint8)
        channels = table.look_up(nearest(labels, side, side)).astype(np.int8)
        found.append(Tile(f"{window.row},{window.col}", grey, channels))
    kept = max(2, len(found) // HELD_OUT)
    if len(found) < kept + 2:
        raise CimgenError(
            f"the scene has {len(found)} squares of {side} pixels that are photographed and labelled; 4 are needed",
            hint="Give the project a map of more of its ground (cimgen map), or use the model as it is.",
        )
    return found[kept:], found[:kept]


def _windows(whole: Window, scale: tuple[float, float]) -> tuple[int, Sequence[Window]]:
    side, windows = SIDES[-1], [Window(0, 0, 0, 0)]
    for side in SIDES:
        rows, cols = (max(1, round(side / s)) for s in scale)
        windows = [
            Window(row, col, rows, cols)
            for row in range(whole.row, whole.bottom - rows + 1, rows)
            for col in range(whole.col, whole.right - cols + 1, cols)
        ]
        if len(windows) >= ENOUGH:
            break
    return side, windows
