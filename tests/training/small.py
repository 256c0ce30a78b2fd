"""A dataset small enough to learn from within seconds, and the configuration for it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ((1, "building", (200, 60, 50)), (2, "land", (190, 180, 150)), (3, "water", (40, 70, 120)))
CONFIG = """
name = "small"
recipe = "{recipe}"
seed = 3
precision = "float32"
[schedule]
steps = {steps}
batch = 1
crop = 32
judge_every = 4
judge_on = 4
keep_every = {keep}
sample_every = 1000
{more}
[options]
{options}
"""
TINY = "widths = [8, 8, 8, 16]\ndilations = [1, 2]\nhidden = 8"


def picture(seed: int, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Photo and class ids of a made-up place: a pond and houses on sand, each class with a grain of its own."""
    rng = np.random.default_rng(seed)
    labels = np.full((side, side), 2, np.uint8)
    row, col = rng.integers(0, side // 2, 2)
    labels[row : row + side // 3, col : col + side // 3] = 3
    for _ in range(4):
        row, col = rng.integers(0, side - 12, 2)
        labels[row : row + 10, col : col + 12] = 1
    table = np.zeros((4, 3))
    for class_id, _, colour in CLASSES:
        table[class_id] = colour
    grain = np.array([0, 25, 12, 4])[labels][..., None] * rng.standard_normal((side, side, 1))
    return np.clip(table[labels] + grain, 0, 255).astype(np.uint8), labels


def make_dataset(folder: Path, train: int = 6, validation: int = 2, side: int = 64) -> Path:
    """A dataset in the format of `cimgen_qt.datasets.store`."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    rows = []
    for number in range(train + validation):
        photo, labels = picture(number, side)
        name = f"tile{number}"
        Image.fromarray(photo).save(folder / "images" / f"{name}.png")
        Image.fromarray(labels).save(folder / "labels" / f"{name}.png")
        split = "train" if number < train else "validation"
        rows.append({"name": name, "split": split, "scene": name, "row": 0, "col": 0, "height": side, "width": side,
                     "image": f"images/{name}.png", "labels": f"labels/{name}.png"})  # fmt: skip
    with (folder / "tiles.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = ["format = 1", 'name = "small"']
    for class_id, name, colour in CLASSES:
        lines += ["[[classes]]", f"id = {class_id}", f'name = "{name}"', f"colour = {list(colour)}"]
    (folder / "dataset.toml").write_text("\n".join(lines) + "\n")
    return folder


def write_config(
    folder: Path,
    recipe: str = "context",
    steps: int = 8,
    keep: int = 2,
    options: str = TINY,
    more: str = "",
    top: str = "",
) -> Path:
    path = folder / f"{recipe}.toml"
    path.write_text(top + CONFIG.format(recipe=recipe, steps=steps, keep=keep, options=options, more=more))
    return path
