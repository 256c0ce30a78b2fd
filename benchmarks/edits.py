"""A contact sheet of real edits: `python -m benchmarks.edits DATASET MODEL OUT.png [--split test] [--count 20]`.

Removals (an object becomes land), insertions (a house, a pond, a grove on land) and replacements (a whole patch of one class
becomes another), one each in turn over the tiles of a split. A row shows the photo, the edited map with its change outlined,
and the result; to be looked at, for no figure tells whether an edit is believed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, label

from cimgen_qt.core.blend import BlendSettings
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.render import render
from cimgen_qt.datasets.store import open_dataset
from cimgen_qt.evaluation.ground import ArrayGround
from cimgen_qt.generators import open_generator

SIDE = 256
REMOVED, GROUND = ("building", "road", "vegetation"), ("land", "bare land")
INSERTED, PUT = ("building", "water", "vegetation", "road"), ("vegetation", "water", "building")


@dataclass(frozen=True)
class Edited(ArrayGround):
    """Ground whose map was repainted."""

    wanted: np.ndarray | None = None

    def read_labels(self, window: Window) -> np.ndarray:
        assert self.wanted is not None
        return self.wanted[window.row : window.bottom, window.col : window.right]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    dataset = open_dataset(options.dataset)
    ids = {c.name: c.id for c in dataset.palette}
    table = dataset.palette.colour_table()
    generator = open_generator(options.model, dataset.palette, "cpu")
    rows, number = [], 0
    tiles = [t for t in dataset.split(options.split) if min(t.height, t.width) >= SIDE]
    order = np.random.default_rng(4).permutation(len(tiles) * 3)
    for place in order:
        if len(rows) == options.count:
            break
        photo, labels = dataset.read(tiles[int(place) % len(tiles)])
        rng = np.random.default_rng([9, int(place)])
        row, col = (int(rng.integers(size - SIDE + 1)) for size in labels.shape)
        part = labels[row : row + SIDE, col : col + SIDE]
        wanted = (removal, insertion, replacement)[number % 3](part, ids, rng)
        if wanted is None:
            continue
        picture = np.ascontiguousarray(photo[row : row + SIDE, col : col + SIDE, :3])
        changed = binary_dilation(wanted != part, iterations=3)
        ground = Edited(picture, part, dataset.palette, wanted=wanted)
        rendered = run_inline(render(ground, ground.scope(changed), generator, number, BlendSettings()))
        made = picture.copy()
        for patch in rendered.patches:
            view = made[patch.window.row : patch.window.bottom, patch.window.col : patch.window.right]
            view[patch.mask] = patch.pixels[patch.mask]
        shown = table[wanted].copy()
        shown[changed ^ binary_erosion(changed)] = 255
        rows.append(np.concatenate([picture, shown, made], 1))
        number += 1
    generator.close()
    while len(rows) % 2:
        rows.append(np.full_like(rows[0], 255))
    halves = [np.concatenate(rows[n::2], 0) for n in (0, 1)]
    Image.fromarray(np.concatenate([halves[0], np.full_like(halves[0][:, :12], 255), halves[1]], 1)).save(options.out)


def removal(labels: np.ndarray, ids: dict[str, int], rng: np.random.Generator) -> np.ndarray | None:
    """An object becomes land."""
    found = pieces(labels, [ids[n] for n in REMOVED if n in ids], 300, 12000)
    land = next(ids[n] for n in GROUND if n in ids)
    return None if not found else np.where(found[int(rng.integers(len(found)))], land, labels).astype(np.uint8)


def insertion(labels: np.ndarray, ids: dict[str, int], rng: np.random.Generator) -> np.ndarray | None:
    """A turned rectangle or an ellipse of another class on land."""
    land = next(ids[n] for n in GROUND if n in ids)
    if (labels == land).mean() < 0.25:
        return None
    name = INSERTED[int(rng.integers(len(INSERTED)))]
    spots = np.argwhere(binary_erosion(labels == land, iterations=14))
    if not len(spots):
        return None
    row, col = spots[int(rng.integers(len(spots)))]
    rows, cols = np.arange(SIDE)[:, None] - row, np.arange(SIDE)[None] - col
    angle = rng.uniform(0, np.pi)
    u, v = rows * np.cos(angle) + cols * np.sin(angle), cols * np.cos(angle) - rows * np.sin(angle)
    if name == "road":
        shape = np.abs(u) <= 6
    elif name == "building":
        shape = (np.abs(u) <= rng.uniform(10, 24)) & (np.abs(v) <= rng.uniform(10, 24))
    else:
        shape = (u / rng.uniform(18, 45)) ** 2 + (v / rng.uniform(18, 45)) ** 2 <= 1
    return np.where(shape & (labels == land), ids[name], labels).astype(np.uint8)


def replacement(labels: np.ndarray, ids: dict[str, int], rng: np.random.Generator) -> np.ndarray | None:
    """A whole patch of one class becomes another."""
    found = pieces(labels, [i for i in ids.values() if i], 1500, 20000)
    if not found:
        return None
    shape = found[int(rng.integers(len(found)))]
    name = PUT[int(rng.integers(len(PUT)))]
    wanted = np.where(shape, ids[name], labels).astype(np.uint8)
    return None if np.array_equal(wanted, labels) else wanted


def pieces(labels: np.ndarray, wanted: list[int], least: int, most: int) -> list[np.ndarray]:
    """Connected ground of one of the classes, of a middling size."""
    found = []
    for class_id in wanted:
        numbered, count = label(labels == class_id)
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)
        found += [numbered == n for n in range(1, count + 1) if least <= sizes[n] <= most]
    return found


if __name__ == "__main__":
    main()
