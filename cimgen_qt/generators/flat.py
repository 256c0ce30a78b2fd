"""Fill each class with one tone: the generator of tests, and of previews that need no texture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.examples import Census, as_data, colour_bands, read_example, take_census

BLOCKS = 4
"""Blocks of the scene that tell the tone of a class."""

Tone = NDArray[np.float64]
"""By band."""


class FlatGenerator:
    """The tone of a class is the median of its pixels in a sample of the scene, whatever the seed.

    Without a pixel of the class it is the palette's colour (8-bit colour photos) or the tone of the commonest class.
    """

    def __init__(self) -> None:
        self._scene: SceneView | None = None
        self._census: Census | None = None
        self._tones: dict[int, Tone] = {}

    @property
    def spec(self) -> GeneratorSpec:
        return GeneratorSpec("flat", tile=256)

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        self._scene, self._tones = scene, {}
        self._census = yield from take_census(scene)
        warnings = []
        wanted = np.flatnonzero(self._census.wanted)
        for number, class_id in enumerate(wanted):
            if _median(scene, self._census, int(class_id)) is None:
                known = scene.palette.get(int(class_id))
                name = class_id if known is None else known.name
                warnings.append(
                    f"no example of class '{name}' in this scene: a tone of the palette or scene is used instead"
                )
            yield Progress(number + 1, len(wanted), "Measuring tones")
        return tuple(warnings)

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """Raises `ModelError` before `prepare`."""
        if self._scene is None or self._census is None:
            raise ModelError("the flat generator has seen no scene", hint="Prepare it with the scene first.")
        made = []
        for number, request in enumerate(requests):
            pixels = request.photo.copy()
            for class_id in np.unique(request.labels[request.mask]):
                where = request.mask & (request.labels == class_id)
                tone = self._tone(int(class_id), self._scene, self._census).astype(pixels.dtype)
                pixels[where] = as_data(tone[None].copy(), self._scene.info)
            made.append(pixels)
            yield Progress(number + 1, len(requests), "Filling")
        return made

    def close(self) -> None:
        self._scene = self._census = None

    def _tone(self, class_id: int, scene: SceneView, census: Census) -> Tone:
        if class_id not in self._tones:
            tone = _median(scene, census, class_id)
            self._tones[class_id] = _substitute(scene, census, class_id) if tone is None else tone
        return self._tones[class_id]


def _median(scene: SceneView, census: Census, class_id: int) -> Tone | None:
    """None where the scene has no usable pixel of the class."""
    inside = [] if census.has_free(class_id) else [class_id]
    examples = (read_example(scene, block, inside) for block in census.best_blocks(class_id, BLOCKS))
    found = [example.pixels[example.classes == class_id] for example in examples]
    if not any(len(pixels) for pixels in found):
        return None
    return _middle(np.concatenate(found))


def _substitute(scene: SceneView, census: Census, class_id: int) -> Tone:
    bands = colour_bands(scene.info)
    if bands is not None and scene.info.dtype == "uint8":
        tone = np.zeros(scene.info.bands)
        tone[list(bands)] = scene.palette.colour_table()[class_id]
        return tone
    counts = census.free.sum(axis=0)
    for other in np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]:
        tone_of_other = _median(scene, census, int(other))
        if tone_of_other is not None:
            return tone_of_other
    return np.zeros(scene.info.bands)


def _middle(pixels: Pixels) -> Tone:
    """The lower median by band: a value that stands in the photo."""
    ordered = np.sort(pixels, axis=0)
    middle: Tone = ordered[(len(ordered) - 1) // 2].astype(np.float64)
    return middle
