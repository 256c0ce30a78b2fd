"""On real imagery the exemplar generator is sharp, quick and different from the photo that it replaces."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.exemplar import HALO, ExemplarGenerator
from tests.generators.scenes import MemoryScene

SECONDS = 20.0
"""Bound for a hole of 512 x 512 on a busy machine; alone on two cores it is about 3 s."""


def town(shared_data: Path) -> MemoryScene:
    """Banepa, 1 building and 2 other."""
    import rasterio

    window = rasterio.windows.Window(768, 1024, 1024, 1024)
    with rasterio.open(shared_data / "banepa/mosaic_train_rgb.tif") as source:
        photo = np.moveaxis(source.read(window=window), 0, 2)
    with rasterio.open(shared_data / "banepa/buildings.tif") as source:
        classes = np.where(source.read(1, window=window) == 1, 1, 2).astype(np.uint8)
    return MemoryScene(photo, classes, classes.copy())


def fill(view: MemoryScene, window: Window) -> Pixels:
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([view.request(window)]))
    return pixels


def contrast(pixels: Pixels, where: np.ndarray) -> float:
    """Mean step from pixel to pixel."""
    gray = pixels.astype(float).mean(axis=2)
    return float(np.abs(np.diff(gray, axis=1, append=gray[:, -1:]))[where].mean())


@pytest.mark.parametrize("class_id", [1, 2])
def test_new_ground_is_as_sharp_as_its_class(shared_data: Path, class_id: int) -> None:
    view = town(shared_data)
    view.labels[420:500, 440:540] = class_id
    window = Window(420, 440, 80, 100).padded(HALO)
    scope = view.read_scope(window)
    made = contrast(fill(view, window), scope)
    usual = contrast(view.photo, view.map == class_id)
    assert 0.65 * usual < made < 1.5 * usual


def test_a_hole_of_512_is_filled_in_seconds_with_progress(shared_data: Path) -> None:
    view = town(shared_data)
    view.scope = np.zeros(view.map.shape, bool)
    view.scope[256:768, 256:768] = True
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    request = view.request(Window(256, 256, 512, 512).padded(HALO))
    begin = time.perf_counter()
    (pixels,) = run_inline(generator.generate([request]))
    assert time.perf_counter() - begin < SECONDS
    assert np.mean((pixels == request.photo).all(axis=2)[request.mask]) < 0.1
