"""Small made-up ground for tests of this folder: stripes of two classes with a texture each, a third class once."""

from __future__ import annotations

import numpy as np

from cimgen_qt.core.palette import Palette
from cimgen_qt.evaluation.ground import ArrayGround
from cimgen_qt.evaluation.held_out import Case

PALETTE = Palette.from_json(
    {
        "name": "small",
        "classes": [
            {"id": 0, "name": "unlabelled", "colour": [0, 0, 0]},
            {"id": 1, "name": "land", "colour": [200, 180, 120]},
            {"id": 2, "name": "tree", "colour": [20, 120, 30]},
            {"id": 3, "name": "pool", "colour": [40, 160, 230]},
        ],
    }
)


def case(seed: int = 1, side: int = 128) -> Case:
    """A hole over both stripes, and over the only pool of the ground."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(side)[None] // 32 % 2, 2, 1).astype(np.uint8).repeat(side, 0)
    labels[50:70, 50:70] = 3
    tones = np.array([[0, 0, 0], [190, 170, 130], [40, 90, 40], [60, 150, 200]])
    photo = np.clip(tones[labels] + rng.normal(0, 15, (side, side, 3)), 0, 255).astype(np.uint8)
    hole = np.zeros((side, side), bool)
    hole[40:90, 40:90] = True
    return Case("tile", "scene", ArrayGround(photo, labels, PALETTE), hole, seed)
