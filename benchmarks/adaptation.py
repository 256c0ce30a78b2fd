"""What adapting to a scene is worth: `python -m benchmarks.adaptation IMAGES MAPS OUT --model M [--paper CARD]`.

In every image a hole is hidden whose map stays; the model is adapted to the rest of that image, as `cimgen adapt` does
it, and fills the hole. Beside it: the model as it is; the model when it sees the map alone (the paper's way), blended
by Poisson's equation; and another model of the paper's kind. What is made is kept in OUT, an image a file, so several
processes may share the work (`--part 1/2`); every run ends with the table of all that lies there.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Progress, run_inline
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.datasets.holes import random_hole
from cimgen_qt.datasets.sources import opened, pairs_in
from cimgen_qt.evaluation.blindfold import hidden
from cimgen_qt.evaluation.features import EffNetFeatures
from cimgen_qt.evaluation.figures import Real, figures_of, table
from cimgen_qt.evaluation.ground import ArrayGround
from cimgen_qt.evaluation.held_out import LARGEST, SIDE, SMALLEST, Case, Filled, Way, fill
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.raster.maps import MapOptions
from cimgen_qt.raster.palettes import open_palette
from cimgen_qt.training.adapt import adapt
from cimgen_qt.training.request import AdaptRequest

ROUND = 96
"""Pixels of the photo that are shown round the square of the hole."""
POISSON, PLAIN = BlendSettings(mode=BlendMode.POISSON), BlendSettings()


class Scene:
    """The image without its hole, which counts as missing there."""

    def __init__(self, ground: ArrayGround, hole: Mask) -> None:
        self._ground, self._hole = hidden(ground, hole), hole

    @property
    def grid(self) -> Grid:
        return self._ground.grid

    @property
    def info(self) -> RasterInfo:
        return self._ground.info

    @property
    def palette(self) -> Palette:
        return self._ground.palette

    def read_photo(self, window: Window) -> Pixels:
        return self._ground.read_photo(window)

    def read_valid(self, window: Window) -> Mask:
        return ~self._hole[window.slices()]

    def read_map(self, window: Window) -> Labels:
        return self._ground.read_map(window)

    def read_labels(self, window: Window) -> Labels:
        return self._ground.read_map(window)

    def read_scope(self, window: Window) -> Mask:
        return self._hole[window.slices()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--palette", type=Path, required=True)
    parser.add_argument("--model", default="cimgen-context")
    parser.add_argument("--paper", help="card of a model that sees maps alone, trained on the same ground")
    parser.add_argument("--only", default=r"tile[26]", help="what names of images have to hold")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--mode", default="lora")
    parser.add_argument("--warp", type=float, default=0.0)
    parser.add_argument("--part", default="1/1")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    palette = open_palette(options.palette)
    pairs = [pair for pair in pairs_in(options.images, options.maps) if re.search(options.only, pair.scene)]
    part, parts = (int(n) for n in options.part.split("/"))
    for number, pair in enumerate(pairs):
        target = options.out / f"{pair.scene}.npz"
        if number % parts != part - 1 or target.exists():
            continue
        with opened(pair, palette, MapOptions()) as found:
            whole = found.grid.window
            ground = ArrayGround(found.read_photo(whole)[..., :3], found.read_map(whole), palette)
        made = _made(number, ground, options)
        np.savez_compressed(target, **made)
    _report(options.out, palette)


def _made(number: int, ground: ArrayGround, options: argparse.Namespace) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([17, number])
    height, width = ground.labels.shape
    row, col = int(rng.integers(height - SIDE + 1)), int(rng.integers(width - SIDE + 1))
    hole = np.zeros(ground.labels.shape, np.bool_)
    square = hole[row : row + SIDE, col : col + SIDE]
    while not SMALLEST <= square.mean() <= LARGEST:
        square[:] = random_hole(np.ascontiguousarray(ground.labels[row : row + SIDE, col : col + SIDE]), rng, 0.0)
    scene: SceneView = Scene(ground, hole)
    request = AdaptRequest("", options.model, options.mode, options.steps, warp=options.warp)
    adapted = run_inline(adapt(request, scene, model_card(options.model)), _said)
    print(number, adapted.facts()["said"], flush=True)
    data = None if adapted.adapter is None else adapted.adapter.pack()
    part = (slice(max(0, row - ROUND), row + SIDE + ROUND), slice(max(0, col - ROUND), col + SIDE + ROUND))
    shown = ArrayGround(ground.photo[part], ground.labels[part], ground.palette)
    case = Case(str(number), "", shown, hole[part], number)
    made = {"photo": shown.photo, "labels": shown.labels, "hole": case.hole}
    ways = [
        (Way("a map alone, Poisson", options.model, POISSON, alone=True), None),
        (Way("a map alone, adapted, Poisson", options.model, POISSON, alone=True), data),
        (Way("b context", options.model, PLAIN), None),
        (Way("c context, adapted", options.model, PLAIN), data),
    ]
    if options.paper:
        ways.insert(0, (Way("a pix2pixHD, Poisson", options.paper, POISSON, alone=True), None))
    for way, adapter in ways:
        generator = open_generator(way.model, ground.palette, "cpu", adapter=adapter)
        made[f"way {way.name}"] = run_inline(fill(case, way, generator)).picture
        generator.close()
    return made | {"facts": np.array(json.dumps(adapted.facts()))}


def _report(folder: Path, palette: Palette) -> None:
    """Absolute figures, and what each way gains on (b) case by case, which says more where cases differ much."""
    eye = EffNetFeatures()
    cases, filled = [], {}
    facts = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            case = Case(path.stem, "", ArrayGround(file["photo"], file["labels"], palette), file["hole"], 0)
            cases.append(case)
            facts.append(json.loads(str(file["facts"])))
            for name in file.files:
                if name.startswith("way "):
                    filled.setdefault(name[4:], []).append(Filled(file[name], None))
    real = Real.of(cases, eye)
    rows = [
        replace(figures_of(name, "all", cases, made, real, eye), group=str(len(made))) for name, made in filled.items()
    ]
    text = [table(rows, eye), "| way | perceptual, of (b) | colour, of (b) |", "|---|---|---|"]
    own = {
        name: np.array([_figures(c, f, eye) for c, f in zip(cases, made, strict=True)]) for name, made in filled.items()
    }
    for name, values in own.items():
        cells = []
        for column in range(2):
            ratio = values[:, column].sum() / own["b context"][:, column].sum()
            rng = np.random.default_rng(3)
            picks = rng.integers(len(cases), size=(1000, len(cases)))
            several = values[picks, column].sum(1) / own["b context"][picks, column].sum(1)
            low, high = np.percentile(several, [2.5, 97.5])
            cells.append(f"{ratio:.3f} ({low:.3f}-{high:.3f})")
        text.append(f"| {name} | {' | '.join(cells)} |")
    gains = [1 - f["after"] / f["before"] for f in facts]
    text.append(f"\nKept: {sum(f['kept'] for f in facts)} of {len(facts)} adapters; nearer to held-out ground by "
                f"{100 * float(np.mean(gains)):.1f} % (mean).")  # fmt: skip
    (folder / "adaptation.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


def _figures(case: Case, made: Filled, eye: EffNetFeatures) -> tuple[float, float]:
    off = np.abs(_eighths(made.picture) - _eighths(case.ground.photo)).sum() / _eighths(case.hole[..., None]).sum()
    return eye.gap(case.ground.photo, made.picture), float(off)


def _eighths(picture: np.ndarray) -> np.ndarray:
    height, width = (size // 8 * 8 for size in picture.shape[:2])
    return picture[:height, :width].astype(np.float64).reshape(height // 8, 8, width // 8, 8, -1).mean((1, 3))


def _said(progress: Progress) -> bool:
    if progress.text.startswith("adapting") and progress.done % 50 == 0:
        print(progress.done, progress.text, flush=True)
    return True


if __name__ == "__main__":
    main()
