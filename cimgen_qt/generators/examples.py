"""Choose where in the scene the exemplar generator takes its pixels from: near the edits first, then everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Mask, Pixels, RasterInfo

Classes = NDArray[np.int16]
"""(height, width) of class ids; -1 where a pixel is no example."""

BLOCK = 256
MOST_BLOCKS = 1024
"""So many blocks of the scene are looked at, spread over it where it has more."""
MARGIN = 64
"""Added on every side of a chosen block."""
NEAR = 4.0
"""At so many blocks from the nearest edit an example counts half."""


GRAIN = 0.008
"""Standard deviation of an invented tone, as a share of the tonal range."""


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of the pristine scene; `window` is None where it was made up."""

    pixels: Pixels
    classes: Classes
    window: Window | None = None


@dataclass(frozen=True)
class Census:
    """What the blocks of a scene hold: `free` pixels outside the scope and `scoped` ones inside, by (block, class id).

    `wanted` (256) counts the edited classes under the scope.
    """

    blocks: tuple[Window, ...]
    free: NDArray[np.int64]
    scoped: NDArray[np.int64]
    wanted: NDArray[np.int64]

    @cached_property
    def nearness(self) -> NDArray[np.float64]:
        """By block: 1 where edits lie, falling off with the distance to them; 1 everywhere where none was met."""
        centres = np.array([(b.row // BLOCK, b.col // BLOCK) for b in self.blocks], np.float64)
        edits = centres[self.scoped.sum(axis=1) > 0]
        if not edits.size:
            return np.ones(len(self.blocks))
        far = np.min([np.hypot(*(centres - edit).T) for edit in edits[:: 1 + len(edits) // 64]], axis=0)
        nearness: NDArray[np.float64] = NEAR / (NEAR + far)
        return nearness

    def has_free(self, class_id: int) -> bool:
        """True where the class stands somewhere outside the scope."""
        return bool(self.free[:, class_id].any())

    def best_blocks(self, class_id: int, most: int) -> list[Window]:
        """Blocks rich in the class, near the edits, apart from each other; inside the scope if there are no others."""
        counts = self.free[:, class_id] if self.has_free(class_id) else self.scoped[:, class_id]
        worth = np.minimum(counts, BLOCK * BLOCK // 3) * self.nearness
        chosen: list[Window] = []
        while len(chosen) < most and worth.any():
            best = int(np.argmax(worth))
            chosen.append(self.blocks[best])
            worth[best] = 0
            beside = [bool(block.padded(1).intersect(self.blocks[best])) for block in self.blocks]
            worth[beside] *= 0.5
        return chosen


def take_census(scene: SceneView) -> Job[Census]:
    """Count the classes of up to `MOST_BLOCKS` blocks of the map. Reads no photo."""
    blocks = spread_blocks(scene.grid.window)
    free = np.zeros((len(blocks), 256), np.int64)
    scoped = np.zeros_like(free)
    wanted = np.zeros(256, np.int64)
    for number, block in enumerate(blocks):
        classes, scope = scene.read_map(block), scene.read_scope(block)
        free[number] = np.bincount(classes[~scope], minlength=256)
        if scope.any():
            scoped[number] = np.bincount(classes[scope], minlength=256)
            wanted += np.bincount(scene.read_labels(block)[scope], minlength=256)
        yield Progress(number + 1, len(blocks), "Looking for examples")
    return Census(tuple(blocks), free, scoped, wanted)


def spread_blocks(window: Window, most: int = MOST_BLOCKS) -> list[Window]:
    """All blocks of `window`, or an even lattice of at most `most` of them."""
    rows, cols = -(-window.height // BLOCK), -(-window.width // BLOCK)
    step = 1
    while -(-rows // step) * -(-cols // step) > most:
        step += 1
    return [
        Window(window.row + row * BLOCK, window.col + col * BLOCK, BLOCK, BLOCK).intersect(window)
        for row in range(step // 2, rows, step)
        for col in range(step // 2, cols, step)
    ] or [window]


def read_example(scene: SceneView, window: Window, inside: Iterable[int]) -> Example:
    """The pristine scene at `window`, cut at the grid. Classes `inside` may be taken from under the scope as well."""
    window = window.intersect(scene.grid.window)
    classes = scene.read_map(window).astype(np.int16)
    usable = ~scene.read_scope(window) | np.isin(classes, list(inside))
    pixels = scene.read_photo(window)
    usable &= scene.read_valid(window) & finite(pixels)
    return Example(pixels, np.where(usable, classes, np.int16(-1)), window)


def finite(pixels: Pixels) -> Mask:
    """True where no band is NaN or infinite."""
    if pixels.dtype.kind != "f":
        return np.ones(pixels.shape[:2], bool)
    good: Mask = np.asarray(np.isfinite(pixels).all(axis=2))
    return good


def as_data(pixels: Pixels, info: RasterInfo) -> Pixels:
    """`pixels` (count, band) changed in place so that they count as data: opaque, and nowhere the value of nodata."""
    if info.alpha is not None:
        pixels[:, info.alpha] = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    for band, value in enumerate(info.nodata):
        if value is not None and band != info.alpha:
            pixels[pixels[:, band] == value, band] = _beside(value, pixels.dtype)
    return pixels


def _beside(value: float, dtype: np.dtype[Any]) -> float:
    """The nearest value that is not `value`."""
    if dtype.kind == "f":
        return float(np.nextafter(dtype.type(value), dtype.type(0 if value else 1)))
    return value - 1 if value > np.iinfo(dtype).min else value + 1


def colour_bands(info: RasterInfo) -> tuple[int, int, int] | None:
    """Bands of red, green and blue; the first three where none is named and there are three beside the alpha band."""
    named = [info.colours.index(c) if c in info.colours else -1 for c in ("red", "green", "blue")]
    if min(named) >= 0:
        return named[0], named[1], named[2]
    others = [band for band in range(info.bands) if band != info.alpha]
    return (others[0], others[1], others[2]) if len(others) == 3 else None


def invent(
    scene: SceneView, class_id: int, examples: Sequence[Example], low: NDArray[np.float32], high: NDArray[np.float32]
) -> Example:
    """An example of a class that the scene does not show: a tone, with the faint grain of the scene's smoothest class.

    `low` and `high` are the tonal range by band. The tone is the palette's colour in that range for a colour photo,
    else the mean of the class with the nearest palette colour.
    """
    example, texture_class = _smoothest(examples)
    where = example.classes == texture_class
    pixels = example.pixels.astype(np.float32)
    pixels[~where] = pixels[where].mean(axis=0)
    grain = pixels - _smooth(_smooth(pixels, 4), 4)
    spread = np.maximum(grain[where].std(axis=0), 1e-6)
    tone = _tone(scene, class_id, examples, low, high)
    made = tone + GRAIN * (high - low) * np.clip(grain / spread, -2, 2)
    made = np.clip(made, np.minimum(low, tone), np.maximum(high, tone))
    if example.pixels.dtype.kind != "f":
        made = np.rint(made)
    classes = np.where(where, np.int16(class_id), np.int16(-1))
    return Example(made.astype(example.pixels.dtype), classes)


def _tone(
    scene: SceneView, class_id: int, examples: Sequence[Example], low: NDArray[np.float32], high: NDArray[np.float32]
) -> NDArray[np.float32]:
    colours = scene.palette.colour_table().astype(np.float32)
    bands = colour_bands(scene.info)
    tone = _nearest_mean(colours, class_id, examples)
    if bands is not None:
        colour = colours[class_id]
        muted = 0.55 * colour + 0.45 * colour.mean()
        index = list(bands)
        tone[index] = low[index] + (0.1 + 0.8 * muted / 255) * (high - low)[index]
    return tone


def _nearest_mean(colours: NDArray[np.float32], class_id: int, examples: Sequence[Example]) -> NDArray[np.float32]:
    known = sorted({int(c) for e in examples for c in np.unique(e.classes) if c >= 0})
    nearest = min(known, key=lambda c: (float(np.square(colours[c] - colours[class_id]).sum()), c))
    found = np.concatenate([e.pixels[e.classes == nearest] for e in examples])
    mean: NDArray[np.float32] = found.astype(np.float32).mean(axis=0)
    return mean


def _smoothest(examples: Sequence[Example]) -> tuple[Example, int]:
    """The example and its class with the least difference from pixel to pixel, of those with enough pixels."""
    best: tuple[float, Example, int] | None = None
    for enough in (BLOCK * BLOCK // 16, 1):
        for example in examples:
            usable = (example.classes >= 0)[..., None]  # nodata may be as low as a float goes
            gray = np.where(usable, example.pixels, 0).astype(np.float32).mean(axis=2)
            step = np.abs(np.diff(gray, axis=1, append=gray[:, -1:]))
            for class_id in np.unique(example.classes[example.classes >= 0]):
                where = example.classes == class_id
                rough = float(step[where].mean())
                if np.count_nonzero(where) >= enough and (best is None or rough < best[0]):
                    best = rough, example, int(class_id)
        if best is not None:
            return best[1], best[2]
    raise ValueError("no example has a usable pixel")


def _smooth(pixels: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Box mean over the first two axes."""
    for axis in (0, 1):
        wide = np.concatenate(
            [np.take(pixels, [0] * (radius + 1), axis), pixels, np.take(pixels, [-1] * radius, axis)], axis
        )
        total = np.cumsum(wide, axis=axis, dtype=np.float64)
        size = pixels.shape[axis]
        upper = np.take(total, range(2 * radius + 1, 2 * radius + 1 + size), axis)
        pixels = ((upper - np.take(total, range(size), axis)) / (2 * radius + 1)).astype(np.float32)
    return pixels
