"""Pixels and classes as pictures."""

import numpy as np
import pytest

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import DEFAULT_PALETTE, PATTERNS
from cimgen_qt.core.raster import RasterInfo
from cimgen_qt.ui.images import ClassColours, Stretch, hatch, label_image
from cimgen_qt.ui.tile_reader import samples, shrunk
from tests.rasters import noise


def info(bands: int, dtype: str, **more: object) -> RasterInfo:
    return RasterInfo("memory", Grid(64, 64), bands, dtype, **more)  # type: ignore[arg-type]


def test_eight_bit_colours_are_shown_as_they_are() -> None:
    pixels = noise(64, 64, 3)
    argb = Stretch(info(3, "uint8"), pixels)(pixels)
    seen = np.stack([argb >> 16 & 255, argb >> 8 & 255, argb & 255], axis=2)
    assert np.array_equal(seen, pixels) and (argb >> 24 == 255).all()


@pytest.mark.parametrize(("dtype", "bands"), [("uint16", 1), ("int16", 4), ("float32", 6)])
def test_other_pixels_use_the_whole_range(dtype: str, bands: int) -> None:
    pixels = noise(64, 64, bands, dtype)
    red = Stretch(info(bands, dtype), pixels)(pixels) >> 16 & 255
    assert red.min() == 0 and red.max() == 255 and 100 < red.mean() < 155


def test_nodata_and_nan_are_clear() -> None:
    pixels = noise(8, 8, 1, "float32")
    pixels[0, 0] = np.nan
    pixels[1, 1] = -9999
    alpha = Stretch(info(1, "float32", nodata=(-9999.0,)), pixels)(pixels) >> 24
    assert alpha[0, 0] == alpha[1, 1] == 0 and (alpha > 0).sum() == 62


def test_the_alpha_band_is_followed() -> None:
    pixels = noise(8, 8, 4)
    pixels[..., 3] = 255
    pixels[2, 2, 3] = 0
    alpha = Stretch(info(4, "uint8", alpha=3), pixels)(pixels) >> 24
    assert alpha[2, 2] == 0 and (alpha == 255).sum() == 63


def test_every_pattern_but_solid_draws_something_else() -> None:
    drawn = {hatch(pattern).tobytes() for pattern in PATTERNS}
    assert len(drawn) == len(PATTERNS) and not hatch("solid").any()


def test_unlabelled_ground_is_clear_and_an_image_shares_its_memory() -> None:
    labels = np.array([[0, 2]], np.uint8)
    argb = ClassColours(DEFAULT_PALETTE)(labels)
    image = label_image(argb)
    known = DEFAULT_PALETTE.get(2)
    assert known is not None and known.pattern == "solid"
    red, green, blue = known.colour
    assert image.pixel(0, 0) == 0 and image.pixel(1, 0) == 0xFF000000 | red << 16 | green << 8 | blue
    argb[0, 0] = 0xFF112233
    assert image.pixel(0, 0) == 0xFF112233


def test_a_shrunk_chunk_has_the_mean_of_each_square() -> None:
    pixels = np.arange(16, dtype=np.uint16).reshape(4, 4, 1)
    assert shrunk(pixels, 2)[..., 0].tolist() == [[2, 4], [10, 12]]


@pytest.mark.parametrize("step", [1, 2, 8, 512])
def test_parts_of_a_tile_show_together_what_the_whole_shows(step: int) -> None:
    window = Window(0, 0, 1000, 1)
    whole, first = samples(0, window.height, step, 0, 1000)
    parts = [samples(0, window.height, step, low, min(1000, low + 256)) for low in range(0, 1000, 256)]
    assert first == 0 and np.array_equal(np.concatenate([rows for rows, _ in parts]), whole)
