"""Blending: nothing outside the mask is touched, and the correction is the one that the equations ask for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from cimgen_qt.core.blend import BlendMode, BlendSettings, blend
from cimgen_qt.core.distance import inner_distance
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.membrane import membrane
from tests.rasters import noise

MODES = list(BlendMode)
DTYPES = ["uint8", "uint16", "int16", "float32"]


@settings(max_examples=120, deadline=None)
@given(
    mask=arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    mode=st.sampled_from(MODES),
    dtype=st.sampled_from(DTYPES),
    bands=st.integers(1, 5),
    match=st.booleans(),
    classes=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_pixel_outside_the_mask_is_touched(
    mask: np.ndarray, mode: BlendMode, dtype: str, bands: int, match: bool, classes: bool, seed: int
) -> None:
    photo, new = noise(*mask.shape, bands, dtype, seed), noise(*mask.shape, bands, dtype, seed + 1)
    valid = np.random.default_rng(seed).random(mask.shape) < 0.9
    labels = np.random.default_rng(seed).integers(0, 3, mask.shape, np.uint8) if classes else None
    if dtype == "float32":
        photo[~valid] = np.nan
    before = [a.tobytes() for a in (photo, new, mask, valid)]
    done = blend(photo, new, mask, BlendSettings(mode, colour_match=match), valid, labels)
    assert [a.tobytes() for a in (photo, new, mask, valid)] == before, "an input was changed"
    assert done.pixels.dtype == photo.dtype
    outside = ~mask | ~valid
    assert done.pixels[outside].tobytes() == photo[outside].tobytes()
    assert not done.origin[outside].any()
    assert (done.origin[~outside] > 0).all()
    assert np.isfinite(done.pixels[~outside]).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_photo_blended_into_itself_is_the_photo(mode: BlendMode, dtype: str) -> None:
    y, x = np.mgrid[:60, :70]
    photo = (100 + 8 * np.sin(x / 60 + np.arange(3)[:, None, None]) + y / 30).transpose(1, 2, 0).astype(dtype)
    mask = np.zeros((60, 70), bool)
    mask[10:50, 0:40] = True
    done = blend(photo, photo.copy(), mask, BlendSettings(mode))
    assert np.abs(done.pixels.astype(float) - photo.astype(float)).max() <= 1
    if mode in (BlendMode.REPLACE, BlendMode.FEATHER):
        assert np.array_equal(done.pixels, photo)


def test_poisson_leaves_a_piece_of_the_photo_with_its_surroundings_as_it_is() -> None:
    photo = noise(60, 70, 3)
    shifted = np.clip(photo.astype(int) // 2 + 30, 0, 255).astype(np.uint8)
    mask = np.zeros((60, 70), bool)
    mask[10:50, 10:40] = True
    done = blend(photo // 2, shifted, mask, BlendSettings(BlendMode.POISSON))
    assert np.abs(done.pixels.astype(int) - photo // 2).max() <= 1


def test_poisson_takes_a_constant_shift_away() -> None:
    rng = np.random.default_rng(0)
    photo = (rng.random((90, 80, 1)) * 20 + 100).astype(np.float32)
    smooth = np.full_like(photo, 110)
    mask = np.zeros((90, 80), bool)
    mask[15:75, 15:60] = True
    done = blend(smooth, smooth + 40, mask, BlendSettings(BlendMode.POISSON))
    assert np.abs(done.pixels - smooth).max() < 1.0
    assert (done.origin[mask] == 2).all()


def test_replace_says_that_pixels_are_as_they_were_made() -> None:
    photo, new = noise(20, 20), noise(20, 20, seed=1)
    mask = np.ones((20, 20), bool)
    done = blend(photo, new, mask, BlendSettings(BlendMode.REPLACE))
    assert (done.origin == 1).all()
    assert np.array_equal(done.pixels, new)


@pytest.mark.parametrize("mode", [BlendMode.FEATHER, BlendMode.MULTIBAND, BlendMode.MEMBRANE, BlendMode.POISSON])
def test_edges_between_classes_stay_sharp(mode: BlendMode) -> None:
    photo, new = np.full((60, 60, 1), 200, np.uint8), np.full((60, 60, 1), 40, np.uint8)
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    labels = np.where(mask, 3, 5).astype(np.uint8)
    hard = blend(photo, new, mask, BlendSettings(mode), labels=labels).pixels
    soft = blend(photo, new, mask, BlendSettings(mode, hard_edges=False), labels=labels).pixels
    assert (hard[mask] == 40).all()
    assert soft[20, 30, 0] > 60


@pytest.mark.parametrize("mode", [BlendMode.FEATHER, BlendMode.MULTIBAND, BlendMode.MEMBRANE, BlendMode.POISSON])
def test_the_step_at_the_rim_is_gone_within_a_class(mode: BlendMode) -> None:
    photo, new = np.full((80, 80, 3), 120, np.uint8), np.full((80, 80, 3), 180, np.uint8)
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    done = blend(photo, new, mask, BlendSettings(mode)).pixels.astype(int)
    assert abs(done[20, 40, 0] - 120) <= 12
    if mode is not BlendMode.POISSON:
        assert done[40, 40, 0] > 155


def test_alpha_is_always_the_photos() -> None:
    photo, new = noise(30, 30, 4), noise(30, 30, 4, seed=5)
    done = blend(photo, new, np.ones((30, 30), bool), BlendSettings(BlendMode.REPLACE), alpha=3)
    assert np.array_equal(done.pixels[..., 3], photo[..., 3])


def test_sixteen_bits_use_their_whole_range() -> None:
    photo, new = np.full((40, 40, 1), 60000, np.uint16), np.full((40, 40, 1), 65000, np.uint16)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    assert blend(photo, new, mask, BlendSettings(BlendMode.FEATHER)).pixels[20, 20, 0] == 65000


def test_colours_are_matched_class_by_class() -> None:
    rng = np.random.default_rng(2)
    photo = np.where(np.arange(80)[None, :, None] < 40, 50.0, 200.0) + rng.normal(0, 5, (80, 80, 3))
    labels = np.broadcast_to(np.where(np.arange(80) < 40, 1, 2), (80, 80)).astype(np.uint8)
    new = np.where(labels[..., None] == 1, 90.0, 160.0) + rng.normal(0, 5, (80, 80, 3))
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    out = blend(photo.astype(np.uint8), new.astype(np.uint8), mask,
                BlendSettings(BlendMode.REPLACE, colour_match=True), labels=labels).pixels  # fmt: skip
    assert out[mask & (labels == 1)].mean() == pytest.approx(50, abs=2)
    assert out[mask & (labels == 2)].mean() == pytest.approx(200, abs=2)


def exact(difference: np.ndarray, inside: np.ndarray, known: np.ndarray, tau: float | None) -> np.ndarray:
    """The same equations, solved by scipy's sparse LU."""
    index = np.full(inside.shape, -1)
    rows, cols = np.nonzero(inside)
    index[rows, cols] = np.arange(rows.size)
    diagonal, right = np.full(rows.size, 0.0 if tau is None else 1 / tau**2), np.zeros(rows.size)
    ones, others = [], []
    for dr, dc in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        r, c = rows + dr, cols + dc
        there = (r >= 0) & (r < inside.shape[0]) & (c >= 0) & (c < inside.shape[1])
        r, c = r.clip(0, inside.shape[0] - 1), c.clip(0, inside.shape[1] - 1)
        free, fixed = there & inside[r, c], there & known[r, c] & ~inside[r, c]
        diagonal += free | fixed
        right += np.where(fixed, difference[r, c], 0)
        ones.append(np.nonzero(free)[0])
        others.append(index[r[free], c[free]])
    one, other = np.concatenate(ones), np.concatenate(others)
    everyone = np.arange(rows.size)
    matrix = coo_matrix((np.r_[diagonal, -np.ones(one.size)], (np.r_[everyone, one], np.r_[everyone, other]))).tocsr()
    out = np.zeros(inside.shape)
    out[rows, cols] = spsolve(matrix, right)
    return out


@pytest.mark.parametrize("tau", [None, 8.0], ids=["poisson", "membrane"])
@pytest.mark.parametrize("shape", ["ellipse", "rectangle", "blobs", "at the edge"])
def test_correction_is_within_half_a_level_of_the_exact_solution(tau: float | None, shape: str) -> None:
    y, x = np.mgrid[:240, :240]
    inside = {
        "ellipse": ((y - 120) / 90) ** 2 + ((x - 120) / 60) ** 2 < 1,
        "rectangle": (abs(y - 120) < 80) & (abs(x - 110) < 90),
        "blobs": np.sin(x / 17) + np.cos(y / 13 + x / 40) > 0.3,
        "at the edge": (y < 100) & (x > 90),
    }[shape]
    rng = np.random.default_rng(4)
    waves = 60 * np.sin(x / 25) * np.cos(y / 31) + rng.normal(0, 20, (240, 240))
    got = membrane(waves.astype(np.float32), inside, ~inside, tau)
    error = np.abs(got - exact(waves, inside, ~inside, tau))[inside]
    assert error.mean() <= 0.5
    assert (got[~inside] == 0).all()


def test_distance_is_exact_within_its_limit() -> None:
    from scipy.ndimage import distance_transform_edt

    mask = np.random.default_rng(3).random((70, 90)) < 0.98
    wanted = distance_transform_edt(mask)
    got = inner_distance(mask, 12)
    near = wanted <= 12
    assert np.allclose(got[near], wanted[near], atol=1e-4)
    assert (got[~near] == 13).all()


def test_settings_survive_json_and_refuse_nonsense() -> None:
    chosen = BlendSettings(BlendMode.FEATHER, feather=7.5, colour_match=True)
    assert BlendSettings.from_json(chosen.to_json()) == chosen
    for bad in ({"mode": "glue"}, {"feather": -1}, {"tau": float("nan")}, {"colour": True}, {"feather": "wide"}):
        with pytest.raises(CimgenError):
            BlendSettings.from_json(bad)


def test_feather_in_metres_needs_a_pixel_size() -> None:
    asked = BlendSettings(feather_metres=3.0)
    assert asked.for_pixel_size(0.5).feather == 6.0
    with pytest.raises(CimgenError, match="pixel size"):
        asked.for_pixel_size(None)
