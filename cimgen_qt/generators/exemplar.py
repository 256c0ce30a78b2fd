"""Fill changed ground with pixels of the same class from elsewhere in the scene: the generator that needs no model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.atlas import CELL, GAP, Atlas, pack, pyramid, stack
from cimgen_qt.generators.examples import Example, as_data, finite, read_example
from cimgen_qt.generators.library import Library, open_library
from cimgen_qt.generators.pieces import KNOWN, UNKNOWN, Target
from cimgen_qt.generators.placing import Echoes, Sources, place
from cimgen_qt.generators.synthesis import synthesise

T = TypeVar("T")

HALO = 48
LARGEST = 1536
"""About 40 s on two cores; what is larger goes in tiles."""
SURROUNDINGS = 128
"""Pixels round a request that serve as its nearest examples."""
GATHERING = "Gathering examples"


class ExemplarGenerator:
    """Keeps the class of every pixel exactly: a pixel of class c is a copy of (or between) scene pixels of class c.

    Reads the scene given to `prepare` again in `generate`. `threads` None: all processors; the result is the same.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._library: Library | None = None

    @property
    def spec(self) -> GeneratorSpec:
        return GeneratorSpec("exemplar", tile=0, stride=CELL, halo=HALO, largest=LARGEST)

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        self._library = yield from open_library(scene)
        return self._library.warnings

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """Raises `ModelError` before `prepare`."""
        if self._library is None:
            raise ModelError("the exemplar generator has seen no scene", hint="Prepare it with the scene first.")
        made: list[Pixels] = []
        with ThreadPoolExecutor(self._threads) as pool:
            for number, request in enumerate(requests):
                job = self._fill(request, self._library, pool)
                made.append((yield from _shifted(job, number, number + 1, len(requests))))
        return made

    def close(self) -> None:
        self._library = None

    def _fill(self, request: Request, library: Library, pool: ThreadPoolExecutor) -> Job[Pixels]:
        from cimgen_qt.generators import patchmatch

        made: Pixels = request.photo.copy()
        if not request.mask.any():
            return made
        yield Progress(0, 10, GATHERING)
        salt = patchmatch.mixed(request.seed ^ patchmatch.mixed(request.window.row * 65599 + request.window.col))
        atlas, echoes = self._atlas(request, library)
        yield Progress(0, 10, GATHERING)
        target = target_of(request, library)
        yield Progress(1, 10, GATHERING)
        sources = Sources(atlas, library.scaling, echoes, pool)
        views = yield from _shifted(place(target, sources, salt), 1, 3, 10)
        if views:
            added = pack([view.example for view in views], library.scaling, atlas.shape[1])
            yield Progress(3, 10, GATHERING)
            atlas = stack([atlas, added])
            yield Progress(3, 10, GATHERING)
        elected = yield from _shifted(synthesise(target, atlas, views, salt, pool, self._threads), 3, 10, 10)
        pixels: Pixels = atlas.pixels.reshape(-1, made.shape[2])[elected]
        made[request.mask] = as_data(pixels, library.scene.info)
        return made

    def _atlas(self, request: Request, library: Library) -> tuple[Atlas, Echoes]:
        """The sources for a request, and the steps from a pixel of the target to its own place among the sources."""
        classes = tuple(int(c) for c in np.unique(request.labels[request.mask]))
        atlas, windows = library.atlas(classes)
        inside = [c for c in classes if library.is_inside(c)]
        near = read_example(library.scene, request.window.padded(SURROUNDINGS), inside)
        _forget(near, request, inside)
        atlas = stack([atlas, pack([near], library.scaling, atlas.shape[1])])
        windows = [*windows, near.window]
        echoes = [
            (row - window.row + request.window.row - GAP, col - window.col + request.window.col - GAP)
            for window, (row, col) in zip(windows, atlas.places, strict=True)
            if window is not None
        ]
        return atlas, echoes


def _shifted(job: Job[T], begin: int, end: int, total: int) -> Job[T]:
    """`job` as the part of a longer one from `begin` to `end` of `total`."""
    while True:
        try:
            progress = next(job)
        except StopIteration as stop:
            result: T = stop.value
            return result
        done = begin + (end - begin) * progress.fraction
        yield Progress(int(100 * done), 100 * total, progress.text)


def target_of(request: Request, library: Library) -> Target:
    """The request, padded so that a patch never leaves it."""
    height, width = request.labels.shape
    shape = -(-height // CELL) * CELL + 2 * GAP, -(-width // CELL) * CELL + 2 * GAP
    here = slice(GAP, GAP + height), slice(GAP, GAP + width)
    labels = np.full(shape, -1, np.int16)
    labels[here] = request.labels
    known = ~request.mask & request.valid & finite(request.photo)
    state = np.zeros(shape, np.uint8)
    state[here] = np.where(request.mask, UNKNOWN, np.where(known, KNOWN, 0))
    features = np.zeros((*shape, 4), np.int16)
    features[here] = library.scaling.features(request.photo, known)
    levels = pyramid(features.copy(), labels)
    features[..., 3] = levels[0].features[..., 3]
    return Target(features, labels, state, levels)


def _forget(near: Example, request: Request, inside: list[int]) -> None:
    """What is to be made is no example, whatever the scope says; but for classes that have no other."""
    if near.window is None:
        return
    common = near.window.intersect(request.window)
    classes = near.classes[common.slices(near.window)]
    classes[request.mask[common.slices(request.window)] & ~np.isin(classes, inside)] = -1
