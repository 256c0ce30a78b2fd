"""The exemplar generator copies pixels of the right class, from outside the scope, the same on every run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Progress, run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.exemplar import HALO, ExemplarGenerator
from tests.generators.scenes import MemoryScene

RANGES = {1: (10, 60), 2: (100, 150), 3: (180, 230)}
"""Tones of each class of the made-up scene: they do not meet, so a pixel tells its class."""


def scene(dtype: str = "uint8", bands: int = 3, side: int = 192) -> MemoryScene:
    """Fields of class 1, a road of class 2, blocks of class 3; a block is painted and another one is removed."""
    rng = np.random.default_rng(5)
    classes = np.ones((side, side), np.uint8)
    classes[:, side // 2 - 8 : side // 2 + 8] = 2
    for row, col in ((16, 16), (80, 24), (140, 120), (30, 130)):
        classes[row : row + 32, col : col + 40] = 3
    photo = np.zeros((side, side, bands), np.float64)
    for class_id, (low, high) in RANGES.items():
        noise = rng.integers(low, high + 1, (side, side, bands))
        photo[classes == class_id] = noise[classes == class_id]
    labels = classes.copy()
    labels[80:112, 24:64] = 1
    labels[90:120, 130:170] = 3
    labels[120:130, 0:80] = 2
    return MemoryScene(photo.astype(dtype), classes, labels)


def fill(view: MemoryScene, window: Window | None = None, seed: int = 1, threads: int = 2) -> Pixels:
    generator = ExemplarGenerator(threads)
    run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([view.request(window or view.grid.window, seed)]))
    generator.close()
    return pixels


def assert_classes(view: MemoryScene, pixels: Pixels, window: Window | None = None) -> None:
    """Every made pixel lies in the range of its class."""
    window = window or view.grid.window
    scope, labels = view.read_scope(window), view.read_labels(window)
    for class_id in np.unique(labels[scope]):
        made = pixels[scope & (labels == class_id)]
        low, high = RANGES[int(class_id)]
        assert made.min() >= low
        assert made.max() <= high


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_pixels_are_of_the_class_of_the_map_in_any_dtype_and_number_of_bands(dtype: str, bands: int) -> None:
    view = scene(dtype, bands)
    pixels = fill(view)
    assert pixels.dtype == view.photo.dtype
    assert pixels.shape == view.photo.shape
    assert_classes(view, pixels)


def test_outside_the_mask_the_photo_stands() -> None:
    view = scene()
    outside = ~view.read_scope(view.grid.window)
    assert np.array_equal(fill(view)[outside], view.photo[outside])


def test_same_seed_gives_the_same_pixels_whatever_the_threads() -> None:
    view = scene()
    first = fill(view, threads=1)
    assert np.array_equal(first, fill(view, threads=1))
    assert np.array_equal(first, fill(view, threads=3))


def test_another_seed_gives_other_pixels() -> None:
    view = scene()
    assert not np.array_equal(fill(view, seed=1), fill(view, seed=2))


def test_requests_do_not_depend_on_each_other() -> None:
    view = scene()
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    requests = [view.request(Window(64, 8, 64, 96)), view.request(Window(70, 110, 70, 80))]
    forth = run_inline(generator.generate(requests))
    back = run_inline(generator.generate(requests[::-1]))
    assert all(np.array_equal(a, b) for a, b in zip(forth, back[::-1], strict=True))


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_gives_the_same_pixels(threads: str) -> None:
    code = "from tests.generators.test_exemplar import *\nprint(hashlib.sha256(fill(scene()).tobytes()).hexdigest())\n"
    environment = {
        **os.environ,
        "NUMBA_NUM_THREADS": threads,
        "PYTHONHASHSEED": threads,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    child = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == hashlib.sha256(fill(scene()).tobytes()).hexdigest()


def test_no_pixel_comes_from_inside_the_scope() -> None:
    view = scene()
    marked = view.photo.copy()
    marked[view.read_scope(view.grid.window)] = 255
    view.photo = marked
    assert_classes(view, fill(view))


def test_pixels_of_the_scope_that_a_tile_leaves_out_are_no_examples() -> None:
    view = scene()
    window = Window(64, 8, 48, 40)
    view.photo[view.read_scope(view.grid.window)] = 255
    assert_classes(view, fill(view, window), window)


def test_nodata_is_never_copied() -> None:
    view = scene("float32", 1)
    rng = np.random.default_rng(1)
    holes = rng.random(view.map.shape) < 0.2
    view.photo[holes] = np.nan
    view.valid = ~holes
    pixels = fill(view)
    scope = view.read_scope(view.grid.window)
    assert np.isfinite(pixels[scope]).all()
    assert_classes(view, pixels)


def test_a_value_of_nodata_is_not_made_between_others() -> None:
    view = scene()
    view.nodata = 30.0
    view.valid = (view.photo != 30).all(axis=2)
    made = fill(view)[view.read_scope(view.grid.window)]
    assert not (made == 30).any()


def test_alpha_is_opaque_where_pixels_are_made() -> None:
    view = scene(bands=4)
    view.alpha = 3
    view.photo[..., 3] = 255
    scope = view.read_scope(view.grid.window)
    view.photo[scope & (view.labels == 2), 3] = 0
    view.valid = view.photo[..., 3] > 0
    pixels = fill(view)
    assert (pixels[scope][:, 3] == 255).all()
    assert_classes(view, pixels[..., :3])


def test_a_single_pixel_is_filled() -> None:
    view = scene()
    view.labels = view.map.copy()
    view.labels[60, 150] = 2
    pixels = fill(view, Window(60 - HALO, 150 - HALO, 2 * HALO + 1, 90))
    assert 100 <= pixels[HALO, HALO].min() <= pixels[HALO, HALO].max() <= 150


def test_a_change_in_the_corner_of_the_scene_is_filled() -> None:
    view = scene()
    view.labels = view.map.copy()
    view.labels[:21, :13] = 2
    view.labels[-9:, -30:] = 3
    for window in (Window(0, 0, 50, 50), Window(150, 130, 42, 62)):
        assert_classes(view, fill(view, window), window)


def test_request_over_the_edge_of_the_grid_is_filled() -> None:
    view = scene()
    view.labels = view.map.copy()
    view.labels[:20, :20] = 2
    window, inside = Window(-16, -16, 64, 64), Window(0, 0, 48, 48)
    request = view.request(inside)
    arrays = [np.pad(a, ((16, 0), (16, 0))) for a in (request.labels, request.mask, request.valid)]
    photo = np.pad(request.photo, ((16, 0), (16, 0), (0, 0)))
    outer = type(request)(window, arrays[0], photo, arrays[1], arrays[2], 1)
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([outer]))
    assert_classes(view, pixels[16:, 16:], inside)


def test_a_scene_wholly_in_the_scope_is_made_of_itself_and_says_so() -> None:
    view = scene()
    view.labels = view.map.copy()
    view.scope = np.ones(view.map.shape, bool)
    generator = ExemplarGenerator()
    warnings = run_inline(generator.prepare(view))
    assert len(warnings) == 3
    assert all("its own photo there serves as the example" in text for text in warnings)
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window)]))
    assert_classes(view, pixels)
    assert np.mean((pixels == view.photo).all(axis=2)) < 0.5


@pytest.mark.parametrize(("dtype", "bands"), [("uint8", 3), ("uint16", 2), ("float32", 1)])
def test_a_class_without_example_is_invented_and_says_so(dtype: str, bands: int) -> None:
    view = scene(dtype, bands)
    view.labels[20:60, 110:180] = 4
    generator = ExemplarGenerator()
    (warning,) = run_inline(generator.prepare(view))
    assert warning.startswith("no example of class 'vegetation' in this scene: ")
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window)]))
    made = pixels[view.labels == 4].astype(float)
    assert np.isfinite(made).all()
    assert (made.std(axis=0) < np.std(view.photo) / 8).all()
    if bands == 3:
        red, green, blue = made.mean(axis=0)
        assert green > blue > red


def test_a_class_without_example_where_the_scene_shows_nothing_else_is_refused() -> None:
    view = scene()
    view.valid = np.zeros(view.map.shape, bool)
    with pytest.raises(ModelError, match="no valid pixel"):
        run_inline(ExemplarGenerator().prepare(view))


def test_generating_before_preparing_is_refused() -> None:
    view = scene()
    with pytest.raises(ModelError):
        run_inline(ExemplarGenerator().generate([view.request(view.grid.window)]))


def test_an_empty_mask_leaves_the_photo() -> None:
    view = scene()
    view.labels = view.map.copy()
    assert np.array_equal(fill(view), view.photo)


def test_progress_comes_often_and_never_goes_back() -> None:
    view = scene()
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    request = view.request(view.grid.window)
    run_inline(generator.generate([request]))
    seen: list[Progress] = []
    times = [time.perf_counter()]

    def watch(progress: Progress) -> bool:
        seen.append(progress)
        times.append(time.perf_counter())
        return True

    run_inline(generator.generate([request]), watch)
    fractions = [progress.fraction for progress in seen]
    assert len(seen) > 20
    assert fractions == sorted(fractions)
    assert max(np.diff(times)) < 1.0


def test_a_closed_job_ends_its_threads() -> None:
    view = scene()
    generator = ExemplarGenerator()
    run_inline(generator.prepare(view))
    job = generator.generate([view.request(view.grid.window)])
    for _ in range(10):
        next(job)
    job.close()
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window)]))
    assert_classes(view, pixels)


def test_a_whole_roof_comes_with_its_edge() -> None:
    """Blocks of class 3 have a dark rim; a painted block of the same size gets one, and none in its middle."""
    view = scene()
    rng = np.random.default_rng(2)
    for row, col in ((16, 16), (80, 24), (140, 120), (30, 130)):
        view.photo[row : row + 32, col : col + 40] = rng.integers(215, 230, (32, 40, 3))
        for edge in (np.s_[row : row + 3, col : col + 40], np.s_[row + 29 : row + 32, col : col + 40]):
            view.photo[edge] = 185
    view.labels = view.map.copy()
    view.labels[90:122, 130:170] = 3
    pixels = fill(view, Window(60, 100, 92, 92))[30:62, 30:70]
    assert pixels[:3].mean() < 195
    assert pixels[-3:].mean() < 195
    assert pixels[8:24].mean() > 210
