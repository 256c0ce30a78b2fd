"""The flat generator lays the median tone of each class."""

from __future__ import annotations

import numpy as np
import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.flat import FlatGenerator
from tests.generators.scenes import MemoryScene


def scene(dtype: str, bands: int) -> MemoryScene:
    classes = np.ones((80, 90), np.uint8)
    classes[:, 40:] = 2
    photo = np.where(classes == 1, 20, 120)[..., None] + np.arange(bands) + np.arange(90)[None, :, None] % 3
    labels = classes.copy()
    labels[10:30, 50:70] = 1
    return MemoryScene(photo.astype(dtype), classes, labels)


def fill(view: MemoryScene, seed: int = 1) -> tuple[Pixels, tuple[str, ...]]:
    generator = FlatGenerator()
    warnings = run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window, seed)]))
    return pixels, warnings


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 6])
def test_tone_is_the_median_of_the_class_outside_the_scope(dtype: str, bands: int) -> None:
    view = scene(dtype, bands)
    pixels, warnings = fill(view)
    assert pixels.dtype == view.photo.dtype
    assert (pixels[10:30, 50:70] == 21 + np.arange(bands)).all()
    outside = ~view.read_scope(view.grid.window)
    assert np.array_equal(pixels[outside], view.photo[outside])
    assert warnings == ()


def test_seed_changes_nothing() -> None:
    view = scene("uint8", 3)
    assert np.array_equal(fill(view, 1)[0], fill(view, 2)[0])


def test_class_without_example_has_the_colour_of_the_palette_and_says_so() -> None:
    view = scene("uint8", 3)
    view.labels[10:30, 50:70] = 3
    pixels, warnings = fill(view)
    assert (pixels[10:30, 50:70] == DEFAULT_PALETTE.find("water").colour).all()
    assert len(warnings) == 1
    assert "'water'" in warnings[0]


def test_class_without_example_in_other_bands_has_the_tone_of_the_commonest_class() -> None:
    view = scene("uint16", 2)
    view.labels[10:30, 50:70] = 3
    assert (fill(view)[0][10:30, 50:70] == 121 + np.arange(2)).all()


def test_nodata_and_nan_do_not_count() -> None:
    view = scene("float32", 1)
    view.photo[:40, :40] = np.nan
    pixels, _ = fill(view)
    assert (pixels[10:30, 50:70] == 21).all()


def test_alpha_is_opaque() -> None:
    view = scene("uint8", 4)
    view.alpha = 3
    assert (fill(view)[0][10:30, 50:70, 3] == 255).all()


def test_generating_before_preparing_is_refused() -> None:
    view = scene("uint8", 3)
    with pytest.raises(ModelError):
        run_inline(FlatGenerator().generate([view.request(view.grid.window)]))
