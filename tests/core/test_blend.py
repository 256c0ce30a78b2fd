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
from cimgen_qt.core.membrane import Membrane, membrane
from tests.rasters import noise

MODES = list(BlendMode)
DTYPES = ["uint8", "uint16", "int16", "float32"]


def shapes(height: int, width: int) -> dict[str, np.ndarray]:
    """Masks of all the kinds that have ever gone wrong."""
    y, x = np.mgrid[:height, :width]
    ring = np.hypot(y - height / 2, x - width / 2)
    return {
        "nothing": np.zeros((height, width), bool),
        "everything": np.ones((height, width), bool),
        "one pixel": (y == height // 2) & (x == width // 3),
        "a corner": (y < height // 2) & (x < width // 3),
        "a hole in it": (ring < min(height, width) * 0.4) & (ring > min(height, width) * 0.1),
        "a diagonal": abs(y * width - x * height) < 3 * max(height, width),
        "apart": (y // 9 + x // 13) % 3 == 0,
        "all but the rim": (y > 0) & (x > 0) & (y < height - 1) & (x < width - 1),
        "noise": np.random.default_rng(1).random((height, width)) < 0.5,
    }


def check_promises(
    mask: np.ndarray, mode: BlendMode, dtype: str, bands: int, match: bool, classes: bool, seed: int
) -> None:
    """Nothing outside is touched, inputs stay, what is not data stays, and every wanted pixel gets a number."""
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
    assert (done.pixels == new)[done.origin == 1].all()
    assert (done.pixels != new).any(axis=2)[done.origin == 2].all()


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
def test_no_pixel_outside_a_random_mask_is_touched(
    mask: np.ndarray, mode: BlendMode, dtype: str, bands: int, match: bool, classes: bool, seed: int
) -> None:
    check_promises(mask, mode, dtype, bands, match, classes, seed)


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 330),
    width=st.integers(1, 330),
    shape=st.sampled_from(sorted(shapes(8, 8))),
    mode=st.sampled_from(MODES),
    dtype=st.sampled_from(DTYPES),
    match=st.booleans(),
    classes=st.booleans(),
)
def test_no_pixel_outside_a_large_mask_is_touched(
    height: int, width: int, shape: str, mode: BlendMode, dtype: str, match: bool, classes: bool
) -> None:
    check_promises(shapes(height, width)[shape], mode, dtype, 2, match, classes, 5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("match", [False, True])
def test_the_photo_blended_into_itself_is_the_photo_bit_for_bit(mode: BlendMode, dtype: str, match: bool) -> None:
    photo = noise(150, 170, 3, dtype)
    mask = shapes(150, 170)["a hole in it"]
    done = blend(photo, photo.copy(), mask, BlendSettings(mode, colour_match=match))
    assert done.pixels.tobytes() == photo.tobytes()


@pytest.mark.parametrize("shape", sorted(shapes(8, 8)))
def test_poisson_gives_the_photo_back_where_only_the_brightness_was_changed(shape: str) -> None:
    photo = noise(200, 230, 2) // 2 + 10
    mask = shapes(200, 230)[shape]
    done = blend(photo, photo + np.uint8(90), mask, BlendSettings(BlendMode.POISSON))
    if shape == "everything":  # there is no ground to be met
        assert np.array_equal(done.pixels, photo + np.uint8(90))
    else:
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


SOLVED = {
    "ellipse": lambda y, x: ((y - 150) / 110) ** 2 + ((x - 150) / 75) ** 2 < 1,
    "rectangle": lambda y, x: (abs(y - 150) < 100) & (abs(x - 140) < 120),
    "blobs": lambda y, x: np.sin(x / 17) + np.cos(y / 13 + x / 40) > 0.3,
    "at the edge": lambda y, x: (y < 120) & (x > 110),
    "thin": lambda y, x: abs(y - x) < 3,
}


def step_and_mask(shape: str) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:301, :290]
    grain = np.random.default_rng(4).normal(0, 20, y.shape)
    return (60 * np.sin(x / 25) * np.cos(y / 31) + grain).astype(np.float32), SOLVED[shape](y, x)


@pytest.mark.parametrize("tau", [None, 8.0, 40.0])
@pytest.mark.parametrize("shape", SOLVED)
def test_correction_is_within_a_fifth_of_a_level_of_the_exact_solution(tau: float | None, shape: str) -> None:
    step, inside = step_and_mask(shape)
    got = membrane(step, inside, ~inside, tau)
    error = np.abs(got - exact(step, inside, ~inside, tau))[inside]
    assert error.mean() <= 0.2
    assert error.max() <= 1.5
    assert (got[~inside] == 0).all()


def test_ground_that_is_not_known_lets_nothing_through() -> None:
    step, inside = step_and_mask("ellipse")
    known = ~inside & (np.arange(290) < 150)
    error = np.abs(membrane(step, inside, known, None) - exact(step, inside, known, None))[inside]
    assert error.mean() <= 0.3
    walled = np.zeros_like(inside)
    walled[40:200, 40:200] = True
    assert (membrane(step, walled, np.zeros_like(inside), None) == 0).all()


def test_a_membrane_can_be_used_again() -> None:
    step, inside = step_and_mask("blobs")
    used = Membrane(inside, ~inside, None)
    first = [part.copy() for _, part in used.spread(step[used.rim])]
    list(used.spread(np.ones(used.rim[0].size, np.float32)))
    again = [part.copy() for _, part in used.spread(step[used.rim])]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_work_on_the_pixels_goes_with_the_length_of_the_rim() -> None:
    def relaxed(side: int) -> int:
        inside = np.zeros((side + 40, side + 40), bool)
        inside[20:-20, 20:-20] = True
        return sum(spot.window.area for spot in Membrane(inside, ~inside, None).levels[0].work)

    assert relaxed(2048) < 2.5 * relaxed(1024)
    assert relaxed(2048) < 2048 * 2048 / 4


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
    bad_ones: list[dict[str, object]] = [
        {"mode": "glue"}, {"mode": 3}, {"feather": -1}, {"tau": float("nan")}, {"colour": True}, {"feather": "wide"},
        {"colour_match": "no"}, {"ring": 2.5}, {"feather_metres": -1.0}, {"tau": True}, {"hard_edges": None},
    ]  # fmt: skip
    for bad in bad_ones:
        with pytest.raises(CimgenError):
            BlendSettings.from_json(bad)


def test_feather_in_metres_needs_a_pixel_size() -> None:
    asked = BlendSettings(feather_metres=3.0)
    assert asked.for_pixel_size(0.5).feather == 6.0
    with pytest.raises(CimgenError, match="pixel size"):
        asked.for_pixel_size(None)


def test_what_has_died_away_is_nothing_not_a_tiny_number() -> None:
    """Numbers near 1e-38 are a hundred times slower to calculate with."""
    inside = np.zeros((700, 700), bool)
    inside[20:-20, 20:-20] = True
    sheet = Membrane(inside, ~inside, 2.0)
    for _, values in sheet.spread(np.full(sheet.rim[0].size, 50, np.float32)):
        assert not ((values != 0) & (np.abs(values) < 1e-30)).any()
    for level in sheet.levels:
        for plane in (level.x, level.error):
            assert not ((plane != 0) & (np.abs(plane) < 1e-30)).any()


def test_arrays_that_do_not_fit_are_refused() -> None:
    photo, mask = noise(20, 30), np.ones((20, 30), bool)
    for new, where in ((noise(20, 31), mask), (noise(20, 30, dtype="uint16"), mask), (photo, mask[1:])):
        with pytest.raises(CimgenError, match="cannot blend"):
            blend(photo, new, where, BlendSettings())


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode is not BlendMode.POISSON])
def test_a_large_change_looks_the_same_when_it_is_cut_up(mode: BlendMode) -> None:
    """`margin` is what a part has to see round it. POISSON alone needs all of the rim."""
    y, x = np.mgrid[:700, :640]
    photo = np.clip(100 + 40 * np.sin(x / 30)[..., None] + noise(700, 640) / 16, 0, 255).astype(np.uint8)
    new = np.clip(150 + 30 * np.cos(y / 40)[..., None] + noise(700, 640, seed=1) / 16, 0, 255).astype(np.uint8)
    mask = (y > 60) & (y < 660) & (x > 50) & (x < 600)
    chosen = BlendSettings(mode, tau=4.0)
    whole, cut = blend(photo, new, mask, chosen).pixels, 320
    part = np.s_[: cut + chosen.margin]
    half = blend(photo[part], new[part], mask[part], chosen).pixels
    assert np.abs(half[:cut].astype(int) - whole[:cut]).max() <= 2
