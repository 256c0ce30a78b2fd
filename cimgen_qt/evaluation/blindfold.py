"""Hide what was in a hole from whoever fills it: the photo there is the truth that figures compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cimgen_qt.core.generator import Generator, GeneratorSpec, Request, SceneView
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.evaluation.ground import ArrayGround

NEUTRAL = 128
"""Where nothing of a photo is known, in levels."""


def hidden(ground: ArrayGround, hole: Mask) -> ArrayGround:
    """The ground with its hole overlaid by the colours of the nearest pixels outside, or by grey where there are none.

    Blends that mix with what was there before find no truth there either.
    """
    from scipy.ndimage import distance_transform_edt

    if hole.all():
        return replace(ground, photo=np.full_like(ground.photo, NEUTRAL))
    rows, cols = distance_transform_edt(hole, return_distances=False, return_indices=True)
    return replace(ground, photo=ground.photo[rows, cols])


@dataclass(frozen=True)
class _Veiled:
    """A scene whose photo counts as missing where pixels are to be made, so that no example is taken from there."""

    scene: SceneView

    @property
    def grid(self) -> Grid:
        return self.scene.grid

    @property
    def info(self) -> RasterInfo:
        return self.scene.info

    @property
    def palette(self) -> Palette:
        return self.scene.palette

    def read_photo(self, window: Window) -> Pixels:
        return self.scene.read_photo(window)

    def read_valid(self, window: Window) -> Mask:
        return self.scene.read_valid(window) & ~self.scene.read_scope(window)

    def read_map(self, window: Window) -> Labels:
        return self.scene.read_map(window)

    def read_labels(self, window: Window) -> Labels:
        return self.scene.read_labels(window)

    def read_scope(self, window: Window) -> Mask:
        return self.scene.read_scope(window)


@dataclass(frozen=True)
class Blindfold:
    """A generator that may not take examples from the hole.

    An edited scene shows some old class under an edit, so generators may look there when a class stands nowhere else;
    a hole whose map did not change would show them the truth.
    """

    generator: Generator

    @property
    def spec(self) -> GeneratorSpec:
        return self.generator.spec

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        return (yield from self.generator.prepare(_Veiled(scene)))

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        return (yield from self.generator.generate(requests))

    def close(self) -> None:
        self.generator.close()
