"""Other ground resolutions: means, lines and corners stay where they are."""

import numpy as np
import pytest

from cimgen_qt.core.resample import nearest, shrink_or_grow
from tests.rasters import noise


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_mean_is_kept_when_shrinking(dtype: str) -> None:
    pixels = noise(60, 90, 2, dtype)
    small = shrink_or_grow(pixels, 20, 30)
    blocks = pixels.reshape(20, 3, 30, 3, 2).mean(axis=(1, 3))
    assert small.dtype == pixels.dtype
    assert np.allclose(small, blocks, atol=0.51 if dtype != "float32" else 1e-2)


def test_growing_a_ramp_gives_a_ramp() -> None:
    ramp = np.arange(10, dtype=np.float32)[:, None, None] * np.ones((1, 4, 1), np.float32)
    big = shrink_or_grow(ramp, 40, 4)[:, 0, 0]
    assert np.allclose(np.diff(big[2:-2]), 0.25, atol=1e-5)


def test_uneven_factors_keep_the_mean() -> None:
    pixels = noise(61, 47, 1, "float32")
    assert shrink_or_grow(pixels, 17, 13).mean() == pytest.approx(float(pixels.mean()), rel=1e-3)


def test_nan_counts_for_nothing() -> None:
    pixels = np.ones((8, 8, 1), np.float32)
    pixels[:2, :2] = np.nan
    pixels[4] = np.nan
    small = shrink_or_grow(pixels, 4, 4)[..., 0]
    assert np.isnan(small[0, 0])
    assert (small[1:] == 1).all()


def test_nearest_takes_the_middle() -> None:
    labels = np.arange(36, dtype=np.uint8).reshape(6, 6)
    assert np.array_equal(nearest(labels, 2, 2), [[7, 10], [25, 28]])
    assert np.array_equal(nearest(labels, 12, 12)[::2, ::2], labels)
