"""A sheet of pictures and times: the exemplar generator beside OpenCV's inpainting, on real imagery.

python -m benchmarks.exemplar OUT.png [--data FOLDER] [--case NAME] [--seed N]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from PIL import Image

from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import Palette, SemanticClass
from cimgen_qt.generators.exemplar import HALO, ExemplarGenerator
from tests.generators.scenes import MemoryScene

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CELL = 420
"""Side of a picture of the sheet."""


@dataclass
class Case:
    name: str
    scene: MemoryScene
    window: Window
    """What is shown."""


def polygon(labels: np.ndarray, points: list[tuple[int, int]], value: int) -> None:
    """Paint a polygon of (row, col) corners."""
    cv2.fillPoly(labels, [np.array([(c, r) for r, c in points], np.int32)], value)


def line(labels: np.ndarray, points: list[tuple[int, int]], value: int, width: int) -> None:
    cv2.polylines(labels, [np.array([(c, r) for r, c in points], np.int32)], False, value, width)


def turned(row: float, col: float, height: float, width: float, degrees: float) -> list[tuple[int, int]]:
    """Corners of a turned rectangle."""
    box = cv2.boxPoints(((col, row), (width, height), degrees))
    return [(int(y), int(x)) for x, y in box]


def banepa(data: Path) -> tuple[np.ndarray, np.ndarray, Palette]:
    with rasterio.open(data / "banepa/mosaic_train_rgb.tif") as source:
        photo = np.moveaxis(source.read(), 0, 2)
    with rasterio.open(data / "banepa/buildings.tif") as source:
        classes = source.read(1)
    palette = Palette((SemanticClass(1, "building", (213, 94, 0)), SemanticClass(2, "other", (150, 150, 150))))
    return photo, np.where(classes == 1, 1, 2).astype(np.uint8), palette


def dubai(data: Path, name: str) -> tuple[np.ndarray, np.ndarray, Palette]:
    photo = np.array(Image.open(data / f"dubai/images/{name}.jpg"))
    classes = np.array(Image.open(data / f"dubai/labels/{name}.png"))
    names = ("building", "land", "road", "vegetation", "water")
    palette = Palette(tuple(SemanticClass(i, n, (40 * i, 100, 50)) for i, n in enumerate(names, start=1)))
    return photo, classes, palette


def banepa_removed(data: Path) -> Case:
    photo, classes, palette = banepa(data)
    labels = classes.copy()
    polygon(labels, [(1492, 1415), (1500, 1495), (1640, 1450), (1630, 1370)], 2)
    polygon(labels, [(1720, 1215), (1660, 1255), (1780, 1305), (1800, 1280)], 2)
    return Case(
        "Banepa: a hall and a house removed",
        MemoryScene(photo, classes, labels, palette=palette),
        Window(1400, 1180, 440, 440),
    )


def banepa_added(data: Path) -> Case:
    photo, classes, palette = banepa(data)
    labels = classes.copy()
    polygon(labels, turned(1890, 1360, 60, 80, 20), 1)
    polygon(labels, turned(1545, 1640, 70, 50, 35), 1)
    polygon(labels, turned(1760, 1235, 40, 50, 30), 1)
    return Case(
        "Banepa: buildings added", MemoryScene(photo, classes, labels, palette=palette), Window(1480, 1200, 500, 500)
    )


def dubai_block(data: Path) -> Case:
    photo, classes, palette = dubai(data, "tile2_part003")
    labels = classes.copy()
    labels[180:262, 135:222] = 2
    labels[255:312, 85:222] = 2
    return Case("Dubai: block removed", MemoryScene(photo, classes, labels, palette=palette), Window(100, 20, 280, 280))


def dubai_road(data: Path) -> Case:
    photo, classes, palette = dubai(data, "tile2_part003")
    labels = classes.copy()
    line(labels, [(200, 285), (250, 380), (310, 440)], 3, 12)
    polygon(labels, turned(230, 440, 50, 70, 15), 1)
    return Case(
        "Dubai: road and building added",
        MemoryScene(photo, classes, labels, palette=palette),
        Window(130, 229, 280, 280),
    )


def dubai_water(data: Path) -> Case:
    photo, classes, palette = dubai(data, "tile8_part005")
    labels = classes.copy()
    cv2.ellipse(labels, (1000, 350), (170, 110), 20, 0, 360, 5, -1)
    line(labels, [(100, 700), (300, 900), (330, 1190)], 3, 22)
    return Case(
        "Dubai: water and road added", MemoryScene(photo, classes, labels, palette=palette), Window(60, 680, 560, 560)
    )


def dubai_no_water(data: Path) -> Case:
    photo, classes, palette = dubai(data, "tile2_part003")
    labels = classes.copy()
    cv2.ellipse(labels, (390, 240), (60, 40), 20, 0, 360, 5, -1)
    palette = Palette((*(c for c in palette if c.id != 5), SemanticClass(5, "water", (0, 114, 178))))
    return Case(
        "Dubai: water without example", MemoryScene(photo, classes, labels, palette=palette), Window(130, 229, 280, 280)
    )


def banepa_large(data: Path) -> Case:
    photo, classes, palette = banepa(data)
    labels = classes.copy()
    labels[1300:1700, 1300:1700] = 2
    return Case(
        "Banepa: quarter cleared", MemoryScene(photo, classes, labels, palette=palette), Window(1240, 1240, 520, 520)
    )


CASES: dict[str, Callable[[Path], Case]] = {
    "removed": banepa_removed,
    "added": banepa_added,
    "block": dubai_block,
    "road": dubai_road,
    "water": dubai_water,
    "nowater": dubai_no_water,
    "large": banepa_large,
}


def fill(case: Case, seed: int) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """The whole photo with its changed areas filled one by one, and the seconds it took after preparing."""
    generator = ExemplarGenerator()
    warnings = run_inline(generator.prepare(case.scene))
    made = case.scene.photo.copy()
    scope = (case.scene.labels != case.scene.map).astype(np.uint8)
    number, parts, boxes, _ = cv2.connectedComponentsWithStats(scope, connectivity=8)
    begin = time.perf_counter()
    for part in range(1, number):
        col, row, width, height, _ = boxes[part]
        window = Window(int(row), int(col), int(height), int(width)).padded(HALO).intersect(case.scene.grid.window)
        request = case.scene.request(window, seed)
        (pixels,) = run_inline(generator.generate([request]))
        where = (parts == part)[window.slices()]
        made[window.slices()][where] = pixels[where]
    return made, time.perf_counter() - begin, warnings


def row_of(case: Case, seed: int) -> np.ndarray:
    """Before, the labels, ours, ours with another seed, Telea, Navier-Stokes."""
    here = case.window.slices()
    scope = (case.scene.labels != case.scene.map).astype(np.uint8)
    outline = case.scene.photo[here].copy()
    cuts, _ = cv2.findContours(scope[here], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(outline, cuts, -1, (255, 0, 0), 1)
    ours, seconds, warnings = fill(case, seed)
    again, second, _ = fill(case, seed + 1)
    print(f"{case.name}: {int(scope.sum())} px, {seconds:.2f} s then {second:.2f} s", *warnings)
    around = case.window.padded(20).intersect(case.scene.grid.window)
    peers = []
    for method in (cv2.INPAINT_TELEA, cv2.INPAINT_NS):
        begin = time.perf_counter()
        filled = cv2.inpaint(case.scene.photo[around.slices()], scope[around.slices()], 3, method)
        peers.append((filled[case.window.slices(around)], time.perf_counter() - begin))
    titles = [
        "before",
        f"exemplar {seconds:.1f} s",
        "another seed",
        f"Telea {peers[0][1]:.1f} s",
        f"NS {peers[1][1]:.1f} s",
    ]
    pictures = [outline, ours[here], again[here], peers[0][0], peers[1][0]]
    return np.hstack([titled(p, t) for p, t in zip(pictures, titles, strict=True)])


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    scale = CELL / max(picture.shape[:2])
    picture = cv2.resize(
        picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    framed = np.full((CELL + 22, CELL + 4, 3), 255, np.uint8)
    framed[20 : 20 + picture.shape[0], 2 : 2 + picture.shape[1]] = picture[:CELL, :CELL]
    cv2.putText(framed, title, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return framed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = [row_of(CASES[name](options.data), options.seed) for name in options.case or CASES]
    Image.fromarray(np.vstack(rows)).save(options.out)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
