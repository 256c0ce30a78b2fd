"""Pixels become channels and come back: each group of inputs by the formula of its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import Request
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.raster import RasterInfo
from cimgen_qt.generators.bands import find_bands, require_bands
from cimgen_qt.generators.cards import CardClass, CardInput, CardOutput, ModelCard
from cimgen_qt.generators.encode import NOWHERE, Fit, class_table, decode, edges, normalised, one_hot
from cimgen_qt.generators.noise import ground_noise
from cimgen_qt.generators.stretch import SAMPLES, SIDE, Stretch, measured, stretch_for
from tests.generators.scenes import MemoryScene

INDICES = hn.arrays(np.int32, hn.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-1, 3))
RGB = ("red", "green", "blue")


def card(*classes: CardClass, unknown: str = "") -> ModelCard:
    return ModelCard("m", "1", "map-to-image", Path("card.toml"), "m.onnx", classes=classes, unknown=unknown)


# classes


def test_classes_match_by_name_and_by_alias_on_either_side_without_case() -> None:
    table = class_table(
        card(CardClass(0, "BUILDING"), CardClass(4, "Street"), CardClass(2, "lake", ("Water",))), DEFAULT_PALETTE
    )
    found = table.look_up(np.array([[1, 2, 3, 4, 0, 200]], np.uint8))
    assert found.tolist() == [[0, 4, 2, NOWHERE, NOWHERE, NOWHERE]]


def test_a_name_counts_more_than_an_alias() -> None:
    palette = Palette((SemanticClass(1, "wood", (1, 1, 1), aliases=("tree",)), SemanticClass(2, "tree", (2, 2, 2))))
    table = class_table(card(CardClass(0, "tree"), CardClass(1, "timber", ("wood",))), palette)
    assert table.index[[1, 2]].tolist() == [1, 0]


def test_foreign_and_unlabelled_ground_becomes_the_unknown_class() -> None:
    table = class_table(card(CardClass(0, "other"), CardClass(1, "water"), unknown="Other"), DEFAULT_PALETTE)
    assert table.index[[0, 1, 3, 255]].tolist() == [0, 0, 1, 0]
    assert "building" in table.foreign and "water" not in table.foreign
    assert table.unreachable == ()


def test_an_unlabelled_class_of_the_model_takes_unlabelled_ground() -> None:
    table = class_table(card(CardClass(7, "Unlabelled"), CardClass(1, "water")), DEFAULT_PALETTE)
    assert table.index[[0, 1, 3]].tolist() == [7, NOWHERE, 1]


def test_classes_of_the_model_without_a_counterpart_are_named() -> None:
    assert class_table(card(CardClass(0, "water"), CardClass(1, "lava")), DEFAULT_PALETTE).unreachable == ("lava",)


def test_a_palette_of_which_only_unlabelled_fits_is_refused() -> None:
    with pytest.raises(ModelError, match="knows none"):
        class_table(card(CardClass(0, "unlabelled"), CardClass(1, "lava")), DEFAULT_PALETTE)


# channels


@settings(max_examples=60, deadline=None)
@given(INDICES)
def test_one_hot_holds_one_true_a_known_pixel_and_none_elsewhere(indices: np.ndarray) -> None:
    made = one_hot(indices, 4)
    assert made.shape == (4, *indices.shape)
    assert np.array_equal(made.sum(axis=0), indices >= 0)
    assert np.array_equal(np.where(made.any(axis=0), made.argmax(axis=0), -1), indices)


@settings(max_examples=60, deadline=None)
@given(INDICES)
def test_edges_are_pixels_that_differ_from_one_of_four_neighbours(indices: np.ndarray) -> None:
    padded = np.pad(indices, 1, mode="edge")
    wanted = np.zeros(indices.shape, bool)
    for row, col in ((0, 1), (2, 1), (1, 0), (1, 2)):
        wanted |= padded[row : row + indices.shape[0], col : col + indices.shape[1]] != indices
    assert np.array_equal(edges(indices), wanted)


def test_normalisation_follows_the_formula_of_the_card() -> None:
    group = CardInput("photo", "x", 2, range=(-1.0, 1.0), mean=(0.5, 0.25), std=(2.0,), scale=10.0)
    values = np.array([[[0.0, 1.0]], [[0.5, 0.25]]], np.float32)
    wanted = (np.array([[[-1.0, 1.0]], [[0.0, -0.5]]]) - np.array([[[0.5]], [[0.25]]])) / 2 * 10
    assert np.allclose(normalised(values, group), wanted)
    spreadless = (values - np.array([[[0.5]], [[0.25]]])) / 2 * 10
    assert np.allclose(normalised(values, group, spread=False), spreadless)


# bands


def info(
    bands: int, colours: tuple[str, ...] = (), descriptions: tuple[str, ...] = (), alpha: int | None = None
) -> RasterInfo:
    return RasterInfo("a.tif", Grid(4, 4), bands, "uint8", alpha=alpha, colours=colours, descriptions=descriptions)


@pytest.mark.parametrize(
    ("file", "names", "wanted"),
    [
        (info(3, ("red", "green", "blue")), RGB, [0, 1, 2]),
        (info(3, ("blue", "green", "red")), RGB, [2, 1, 0]),
        (info(4, ("gray", "undefined", "undefined", "undefined")), (*RGB, "nir"), [0, 1, 2, 3]),
        (info(4, ("red", "green", "blue", "alpha"), alpha=3), ("nir", "red"), [None, 0]),
        (info(4, ("alpha", "undefined", "undefined", "undefined"), alpha=0), RGB, [1, 2, 3]),
        (info(4, (), ("B", "G", "R", "Near Infrared")), ("nir", "Red", "b"), [3, 2, 0]),
        (info(2, ("gray", "alpha"), alpha=1), RGB, [0, 0, 0]),
        (info(5), ("5", "1", "6"), [4, 0, None]),
        (info(3, ("red", "green", "blue")), ("nir",), [None]),
        (info(2), RGB, [0, 1, None]),
    ],
)
def test_bands_are_found_by_colour_description_number_or_common_order(
    file: RasterInfo, names: tuple[str, ...], wanted: list[int | None]
) -> None:
    assert find_bands(names, file) == wanted


def test_a_band_that_has_to_be_seen_and_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match=r"nir.*red, green, blue"):
        require_bands(("red", "nir"), info(3, RGB))


# levels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_native_values_survive_the_way_there_and_back(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.linspace(limits.min, limits.max, 4096).round().astype(dtype)[:, None, None]
    stretch = Stretch(float(limits.min), float(limits.max))
    back = stretch.native(stretch.unit(values), np.dtype(dtype))
    assert np.array_equal(back, values)


def test_values_beyond_the_range_are_cut_off_and_strange_ones_are_tamed() -> None:
    stretch = Stretch(10.0, 20.0)
    values = np.array([[[0, 10, 15, 20, 99, np.nan, np.inf, -np.inf]]], np.float32)
    assert stretch.unit(values).ravel().tolist() == [0, 0, 0.5, 1, 1, 0, 1, 0]
    assert stretch.native(np.array([-1, 0.25, 2], np.float32), np.dtype("float32")).tolist() == [10, 12.5, 20]


def test_values_that_stand_on_a_half_by_design_round_alike() -> None:
    shares = np.nextafter(np.float32(0.5), np.float32([0, 1]))  # 127.5 of 255, a hair to either side
    assert Stretch(0, 255).native(shares, np.dtype("uint8")).tolist() == [128, 128]


def photo_scene(photo: np.ndarray) -> MemoryScene:
    classes = np.ones(photo.shape[:2], np.uint8)
    return MemoryScene(photo, classes, classes.copy())


def test_the_range_of_a_scene_leaves_out_no_data_and_what_is_no_number() -> None:
    photo = np.linspace(100, 200, 64 * 64).reshape(64, 64, 1).astype(np.float32)
    photo[0, :] = -9999
    photo[1, :] = np.nan
    view = photo_scene(photo)
    view.valid = np.ones((64, 64), bool)
    view.valid[0] = False
    found = measured(view, [0])
    assert 100 < found.low < 105 and 199 < found.high < 200 and found.measured


def test_a_large_scene_is_measured_in_places_that_reach_its_edges() -> None:
    side = SAMPLES * SIDE + 200
    photo = np.zeros((side, side, 1), np.uint16)
    photo[:64], photo[-64:] = 500, 1000
    found = measured(photo_scene(photo), [0])
    assert (found.low, found.high) == (0, 1000)


@pytest.mark.parametrize("what", ["empty", "constant"])
def test_a_scene_whose_range_cannot_be_told_is_refused(what: str) -> None:
    view = photo_scene(np.full((20, 20, 1), 7, np.uint16))
    if what == "empty":
        view.valid = np.zeros((20, 20), bool)
    with pytest.raises(ModelError, match="no data" if what == "empty" else "nothing but the value 7"):
        measured(view, [0])


def test_the_card_is_believed_where_the_dtype_is_its_own() -> None:
    view = photo_scene(np.arange(400).reshape(20, 20, 1).astype(np.uint16))
    assert stretch_for("uint8", "uint8", None, view, [0]) == Stretch(0, 255)
    assert stretch_for("uint16", "uint16", (0.0, 10000.0), view, [0]) == Stretch(0, 10000)
    assert stretch_for("uint16", "uint16", None, view, [0]).measured
    assert stretch_for("uint16", "uint8", (0.0, 255.0), view, [0]).measured


# answer


def test_an_answer_goes_to_its_bands_and_leaves_the_others() -> None:
    photo = np.full((2, 2, 4), 9, np.uint8)
    answer = np.stack([np.full((2, 2), v, np.float32) for v in (-1.0, 0.0, 1.0)])
    made = decode(answer, CardOutput("y", RGB, (-1.0, 1.0)), [2, 1, 0], Stretch(0, 255), photo)
    assert made[0, 0].tolist() == [255, 128, 0, 9]
    assert (photo == 9).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_is_refused(bad: float) -> None:
    answer = np.zeros((1, 3, 3), np.float32)
    answer[0, 1, 2] = bad
    with pytest.raises(ModelError, match="no numbers"):
        decode(answer, CardOutput("y", ("red",), (0.0, 1.0)), [0], Stretch(0, 255), np.zeros((3, 3, 1), np.uint8))


# fit


def request(window: Window, shape: tuple[int, int]) -> Request:
    full = np.ones(shape, bool)
    return Request(window, np.ones(shape, np.uint8), np.zeros((*shape, 3), np.uint8), full, full, 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(-500, 500), st.integers(-500, 500), st.integers(1, 90), st.integers(1, 90), st.integers(1, 32))
def test_what_is_fed_is_whole_strides_from_a_multiple_of_the_stride_on(
    row: int, col: int, height: int, width: int, stride: int
) -> None:
    fit = Fit.of(request(Window(row, col, height, width), (height, width)), stride)
    assert fit.row % stride == fit.col % stride == fit.height % stride == fit.width % stride == 0
    assert (fit.row + fit.top, fit.col + fit.left) == (row, col)
    array = np.arange(height * width).reshape(height, width)
    grown = fit.padded(array, "reflect")
    assert grown.shape == (fit.height, fit.width)
    assert np.array_equal(fit.cut(grown[None], (height, width))[0], array)


def test_padding_mirrors_where_it_can() -> None:
    fit = Fit.of(request(Window(2, 0, 5, 8), (5, 8)), 8)
    array = np.arange(40).reshape(5, 8)
    assert fit.padded(array, "reflect")[:, 0].tolist() == [16, 8, 0, 8, 16, 24, 32, 24]
    assert fit.padded(array, "edge")[:, 0].tolist() == [0, 0, 0, 8, 16, 24, 32, 32]
    assert Fit.of(request(Window(0, 0, 1, 8), (1, 8)), 8).padded(array[:1], "reflect")[:, 3].tolist() == [3] * 8


# noise


def test_noise_belongs_to_the_ground() -> None:
    whole = ground_noise(5, 2, -10, -20, 60, 70)
    part = ground_noise(5, 2, 3, -7, 20, 30)
    assert np.array_equal(part, whole[:, 13:33, 13:43])


def test_noise_is_standard_normal_and_without_likeness_between_seeds_channels_and_places() -> None:
    first = ground_noise(1, 2, 0, 0, 256, 256).astype(np.float64)
    assert abs(first.mean()) < 0.01 and abs(first.std() - 1) < 0.01
    others = (first[1], ground_noise(2, 1, 0, 0, 256, 256)[0], ground_noise(1, 1, 0, 1, 256, 256)[0])
    others += (ground_noise(1, 1, 1, 0, 256, 256)[0], first[0].T, ground_noise(2**32 + 1, 1, 0, 0, 256, 256)[0])
    for other in others:
        assert abs(np.corrcoef(first[0].ravel(), other.ravel())[0, 1]) < 0.02
    assert np.isfinite(first).all()


def test_any_seed_will_do() -> None:
    for seed in (0, -1, 2**63, 2**80):
        assert ground_noise(seed, 1, 0, 0, 4, 4).shape == (1, 4, 4)
