"""Judge ways to fill holes on ground that no model has seen: the map stays, so the photo tells what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.blend import BlendMode, BlendSettings, blend
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.generator import Generator
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels
from cimgen_qt.core.render import Patch, render
from cimgen_qt.datasets.holes import random_hole
from cimgen_qt.datasets.store import Dataset
from cimgen_qt.evaluation.blindfold import Blindfold, hidden
from cimgen_qt.evaluation.ground import ArrayGround

SIDE = 256
"""Of the squares that edits are made in."""
SMALLEST, LARGEST = 0.08, 0.5
"""Share of the square that a hole covers."""


@dataclass(frozen=True)
class Case:
    """One edit: a square of a tile and a hole in it."""

    tile: str
    scene: str
    ground: ArrayGround
    hole: Mask
    seed: int


@dataclass(frozen=True)
class Way:
    """How a hole is filled. `alone`: the model is shown the map and nothing of the photo, as in the paper."""

    name: str
    model: str
    blend: BlendSettings
    alone: bool = False


@dataclass(frozen=True)
class Filled:
    """What a way made of a case; `raw` is the whole square as made from the map alone, where it was."""

    picture: Pixels
    raw: Pixels | None


def cases_of(dataset: Dataset, split: str, each: int, seed: int) -> Job[list[Case]]:
    """`each` edits in every tile of the split, the same each time. Raises CimgenError where all are too small."""
    found: list[Case] = []
    records = dataset.split(split)
    for number, record in enumerate(records):
        yield Progress(number, len(records), "choosing edits")
        photo, labels = dataset.read(record)
        if min(labels.shape) < SIDE:
            continue
        rng = np.random.default_rng([seed, number])
        for edit in range(each):
            row, col = (int(rng.integers(size - SIDE + 1)) for size in labels.shape)
            part = np.ascontiguousarray(labels[row : row + SIDE, col : col + SIDE])
            picture = np.ascontiguousarray(photo[row : row + SIDE, col : col + SIDE, :3])
            hole = _hole(part, rng)
            ground = ArrayGround(picture, part, dataset.palette)
            found.append(Case(record.name, record.scene, ground, hole, seed * 1000 + number * each + edit))
    if not found:
        raise CimgenError(f"no tile of {split} measures {SIDE} x {SIDE}", hint="Make the dataset with larger tiles.")
    return found


def _hole(labels: Labels, rng: np.random.Generator) -> Mask:
    for _ in range(20):
        hole = random_hole(labels, rng, 0.0)
        if SMALLEST <= hole.mean() <= LARGEST:
            return hole
    hole = np.zeros(labels.shape, np.bool_)
    hole[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = True
    return hole


def fill(case: Case, way: Way, generator: Generator) -> Job[Filled]:
    """Fill the hole of a case as `way` says. Neither generator nor blend is shown what was in it.

    Raises ModelError where a way that is `alone` has to have a photo.
    """
    ground, blind = hidden(case.ground, case.hole), Blindfold(generator)
    if not way.alone:
        rendered = yield from render(ground, ground.scope(case.hole), blind, case.seed, way.blend)
        return Filled(_laid(case.ground.photo, rendered.patches, case.hole), None)
    everything = np.ones_like(case.hole)
    nothing, plain = hidden(case.ground, everything), BlendSettings(mode=BlendMode.REPLACE)
    rendered = yield from render(nothing, nothing.scope(everything), blind, case.seed, plain)
    raw = _laid(nothing.photo, rendered.patches, everything)
    blended = blend(ground.photo, raw, case.hole, way.blend, labels=ground.labels)
    return Filled(np.where(case.hole[..., None], blended.pixels, case.ground.photo), raw)


def _laid(photo: Pixels, patches: Sequence[Patch], hole: Mask) -> Pixels:
    made = photo.copy()
    for patch in patches:
        window = patch.window
        part = made[window.row : window.bottom, window.col : window.right]
        part[patch.mask] = patch.pixels[patch.mask]
    return np.where(hole[..., None], made, photo)


def colours_of(palette: Palette, labels: Labels) -> NDArray[np.uint8]:
    """The map as a picture."""
    found: NDArray[np.uint8] = palette.colour_table()[labels]
    return found
