"""Make the pixels of an export again from its sidecar, and count where they are others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cimgen_qt.core.blend import BlendSettings
from cimgen_qt.core.errors import ExportError, ModelError
from cimgen_qt.core.generator import Generator
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo, RasterReader
from cimgen_qt.core.render import render
from cimgen_qt.core.scope import scope_over
from cimgen_qt.core.sidecar import ReplayStep, Sidecar, labels_over, mask_over


@dataclass(frozen=True)
class ReplayGround:
    """What a generation saw: the source photo, the original classes, and the edited ones that the sidecar keeps."""

    source: RasterReader
    classes: RasterReader
    palette: Palette
    step: ReplayStep
    revision: int = 0

    @property
    def grid(self) -> Grid:
        return self.source.info.grid

    @property
    def info(self) -> RasterInfo:
        return self.source.info

    def read_photo(self, window: Window) -> Pixels:
        return self.source.read(window)

    def read_valid(self, window: Window) -> Mask:
        return self.source.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        """Band 2 of the class companion."""
        return np.ascontiguousarray(self.classes.read(window)[..., 1])

    def read_labels(self, window: Window) -> Labels:
        return labels_over(self.step.runs, self.step.labels, window, self.read_map(window))


@dataclass(frozen=True, slots=True)
class Replayed:
    """`different` of `pixels` made again are not the delivered ones; `largest` is the largest difference."""

    pixels: int
    different: int
    largest: float
    notes: tuple[str, ...] = ()


OpenModel = Callable[[Mapping[str, Any], bytes | None], Generator]
"""From what is kept of a model, and its adapter."""


def replay(
    sidecar: Sidecar, source: RasterReader, classes: RasterReader, delivered: RasterReader, open_model: OpenModel
) -> Job[Replayed]:
    """Render every generation of the sidecar anew over the source, and compare what is left of it.

    Raises `ModelError` where a model is not the one that was used, `ExportError` where the source does not fit.
    """
    if source.info.grid.window != sidecar.grid.window:
        raise ExportError("the source has another size than the export", hint="Is it the right file?")
    pixels = different = 0
    largest, notes = 0.0, []
    for step in sidecar.steps():
        generator = open_model(step.model, step.adapter)
        try:
            if generator.spec.sha256 != step.model.get("sha256", ""):
                raise ModelError(
                    f"{step.model['name']} has other weights now", hint="Install the version that was used."
                )
            if generator.spec.adapter != step.model.get("adapter", ""):
                raise ModelError(
                    f"{step.model['name']} was adapted to the scene, and the adapter is not here",
                    hint="Export again: its sidecar was changed.",
                )
            if generator.spec.version != step.model.get("version"):
                notes.append(f"{step.model['name']} is version {generator.spec.version} now")
            ground = ReplayGround(source, classes, sidecar.palette, step)
            back = _back(step)
            scope = scope_over(ground.grid, step.runs, "replay", back)
            rendered = yield from render(ground, scope, generator, step.seed, BlendSettings.from_json(step.blend))
        finally:
            generator.close()
        for patch in rendered.patches:
            kept = patch.mask & mask_over(step.runs, step.kept, patch.window)
            one, other = patch.pixels[kept], delivered.read(patch.window)[kept]
            wrong = (one != other) & ~(np.isnan(one) & np.isnan(other))
            pixels += int(kept.sum())
            different += int(wrong.any(axis=1).sum())
            if wrong.any():
                largest = max(largest, float(np.abs(one[wrong].astype(np.float64) - other[wrong]).max()))
    return Replayed(pixels, different, largest, tuple(notes))


def _back(step: ReplayStep) -> Callable[[Window], Mask]:
    return lambda window: mask_over(step.runs, ~step.wanted, window)
