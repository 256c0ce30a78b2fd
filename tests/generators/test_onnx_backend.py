"""An ONNX network makes the pixels that its card promises, whatever the tiles, and says what it could not do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import Request
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette, SemanticClass
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.cards import CardClass, CardInput, CardOutput, ModelCard
from cimgen_qt.generators.devices import Choice
from cimgen_qt.generators.onnx_backend import Onnx
from tests.generators.nets import COLOURS, colour_card, colour_net, context_card, context_net, graph, save
from tests.generators.scenes import MemoryScene

CPU = Choice("cpu")


def scene(dtype: str = "uint8", bands: int = 3, side: int = 192) -> MemoryScene:
    random = np.random.default_rng(7)
    classes = np.kron(random.integers(1, 4, (side // 16, side // 16)), np.ones((16, 16))).astype(np.uint8)
    photo = random.integers(0, 255, (side, side, bands)).astype(dtype)
    if dtype in ("uint16", "int16"):
        photo = (photo.astype(np.int64) * 40 + 300).astype(dtype)
    labels = classes.copy()
    labels[40:130, 50:150] = 3
    return MemoryScene(photo, classes, labels)


def made(card: ModelCard, view: MemoryScene, windows: list[Window], seed: int = 1) -> list[Pixels]:
    generator = Onnx(card, CPU)
    run_inline(generator.prepare(view))
    pixels = run_inline(generator.generate([view.request(w, seed) for w in windows]))
    generator.close()
    return pixels


def test_classes_become_their_colours_exactly(tmp_path: Path) -> None:
    view = scene()
    (pixels,) = made(colour_card(tmp_path), view, [view.grid.window])
    table = np.zeros((256, 3), np.uint8)
    table[1:4] = list(COLOURS.values())
    assert np.array_equal(pixels, table[view.labels])


def test_one_pass_equals_tiles_with_the_halo(tmp_path: Path) -> None:
    """0 levels apart wherever a tile's inner part lies."""
    view, card = scene(), context_card(tmp_path)
    (whole,) = made(card, view, [view.grid.window])
    tiles = list(Lattice(Onnx(card, CPU).spec).tiles_under(Window(48, 48, 96, 96)))
    assert len(tiles) == 4
    for tile, pixels in zip(tiles, made(card, view, [t.outer for t in tiles]), strict=True):
        assert np.array_equal(pixels[tile.inner.slices(tile.outer)], whole[tile.inner.slices()])
    assert np.ptp(whole) > 100  # the network does make something


def test_two_tiles_that_overlap_differ_without_the_halo(tmp_path: Path) -> None:
    """What the halo is for: the test above would see it missing."""
    view, card = scene(), context_card(tmp_path, halo=0)
    left, right = Window(40, 40, 48, 48), Window(40, 64, 48, 48)
    first, second = made(card, view, [left, right])
    assert np.abs(first[:, 24:].astype(int) - second[:, :24]).max() > 0


def test_a_batch_gives_what_single_passes_give(tmp_path: Path) -> None:
    view = scene()
    windows = [Window(0, 0, 64, 64), Window(16, 64, 64, 64), Window(100, 100, 64, 64), Window(0, 0, 32, 80)]
    together = made(context_card(tmp_path, batch=3), view, windows)
    alone = made(context_card(tmp_path), view, windows)
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


def test_threads_and_low_memory_change_no_pixel(tmp_path: Path) -> None:
    view, card = scene(), context_card(tmp_path)
    results = []
    for choice in (Choice("cpu", 1), Choice("cpu", 2), Choice("cpu", 1, True)):
        generator = Onnx(card, choice)
        run_inline(generator.prepare(view))
        results.append(run_inline(generator.generate([view.request(Window(0, 0, 96, 96))]))[0])
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_the_spec_repeats_the_card(tmp_path: Path) -> None:
    card = context_card(tmp_path, stride=4, metres_per_pixel=0.3, batch=2, largest=512)
    spec = open_generator(str(card.path), device="cpu").spec
    assert (spec.name, spec.tile, spec.stride, spec.halo, spec.batch) == ("context", 48, 4, 5, 2)
    assert (spec.metres_per_pixel, spec.bands, spec.largest, spec.trained) == (0.3, 3, 512, True)
    assert spec.sha256 == card.sha256
    assert spec.source == str(card.path)
    assert (spec.device, spec.device_note) == ("cpu (ONNX Runtime fp32)", "")


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_deep_photos_are_stretched_by_the_scene_and_come_back_in_their_dtype(tmp_path: Path, dtype: str) -> None:
    view = scene(dtype)
    generator = Onnx(colour_card(tmp_path), CPU)
    warnings = run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window)]))
    assert pixels.dtype == view.photo.dtype
    assert any(dtype in w and "measured" in w for w in warnings)
    stretch = generator.stretch
    assert stretch is not None
    assert view.photo.min() <= stretch.low < stretch.high <= view.photo.max()
    wanted = stretch.low + (stretch.high - stretch.low) * COLOURS["water"][2] / 255
    assert pixels[60, 60, 2] == pytest.approx(wanted, abs=0.6)


def test_levels_of_the_card_hold_for_photos_of_its_dtype(tmp_path: Path) -> None:
    view = scene("uint16")
    card = colour_card(tmp_path, dtype="uint16", levels=(0.0, 10000.0))
    (pixels,) = made(card, view, [view.grid.window])
    assert pixels[60, 60].tolist() == [round(c / 255 * 10000) for c in COLOURS["water"]]


def test_bands_that_the_model_does_not_make_keep_the_photo(tmp_path: Path) -> None:
    view = scene(bands=5)
    view.alpha = 4
    generator = Onnx(colour_card(tmp_path), CPU)
    warnings = run_inline(generator.prepare(view))
    (pixels,) = run_inline(generator.generate([view.request(view.grid.window)]))
    assert np.array_equal(pixels[..., 3:], view.photo[..., 3:])
    assert any("band 4" in w for w in warnings)
    assert not any("band 5" in w or ", 5" in w for w in warnings)  # alpha is no picture


def test_a_grey_photo_gets_the_mean_of_the_colours(tmp_path: Path) -> None:
    view = scene(bands=1)
    (pixels,) = made(colour_card(tmp_path), view, [view.grid.window])
    assert pixels.shape == view.photo.shape
    assert int(pixels[60, 60, 0]) == pytest.approx(np.mean(COLOURS["water"]), abs=1)


def test_a_model_that_has_to_see_infrared_refuses_a_photo_without(tmp_path: Path) -> None:
    card = context_card(tmp_path)
    photo = replace(card.inputs[1], bands=("red", "green", "nir"))
    generator = Onnx(replace(card, inputs=(card.inputs[0], photo, card.inputs[2])), CPU)
    with pytest.raises(ModelError, match="nir"):
        run_inline(generator.prepare(scene()))


def test_any_size_is_fed_in_whole_strides_that_stay_aligned(tmp_path: Path) -> None:
    """A network with a pooling of 4 answers alike for a window that begins off the net of its strides."""
    nodes = [
        helper.make_node("AveragePool", ["labels"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Resize", ["small", "", "scales"], ["picture"], mode="nearest"),
    ]
    ports = ("n", 3, "h", "w")
    scales = {"scales": np.array([1, 1, 4, 4], np.float32)}
    save(graph(nodes, [("labels", 1, ports)], [("picture", 1, ports)], scales), tmp_path / "net.onnx")
    view, card = scene(), colour_card(tmp_path, stride=4)
    whole, part = made(card, view, [view.grid.window, Window(21, 34, 50, 61)])
    inside = Window(24, 36, 44, 56)  # whole strides
    assert np.array_equal(part[inside.slices(Window(21, 34, 50, 61))], whole[inside.slices()])


def test_a_network_of_fixed_size_is_fed_that_size(tmp_path: Path) -> None:
    colour_net(tmp_path / "net.onnx", (1, 3, 64, 64), (1, 3, 64, 64))
    view = scene()
    for window in (Window(0, 0, 64, 64), Window(10, 20, 50, 30)):
        (pixels,) = made(colour_card(tmp_path), view, [window])
        assert pixels.shape == (*window.shape, 3)
    with pytest.raises(ModelError, match="64 pixels and no more"):
        made(colour_card(tmp_path), view, [Window(0, 0, 65, 64)])


def test_channels_last_gives_the_same_picture(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["labels"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "colours"], ["made"]),
        helper.make_node("Transpose", ["made"], ["picture"], perm=[0, 2, 3, 1]),
    ]
    colours = {"colours": (np.array(list(COLOURS.values()), np.float32).T[:, :, None, None] / 255)}
    ports = ("n", "h", "w", 3)
    save(graph(nodes, [("labels", 1, ports)], [("picture", 1, ports)], colours), tmp_path / "net.onnx")
    view = scene()
    (pixels,) = made(colour_card(tmp_path, layout="nhwc"), view, [view.grid.window])
    assert pixels[60, 60].tolist() == list(COLOURS["water"])


def noise_card(folder: Path) -> ModelCard:
    """Passes noise on, next to labels that it takes but leaves."""
    nodes = [helper.make_node("Slice", ["x", "from", "to", "axis"], ["y"])]
    cut = {"from": np.array([3]), "to": np.array([6]), "axis": np.array([1])}
    save(graph(nodes, [("x", 1, ("n", 6, "h", "w"))], [("y", 1, ("n", 3, "h", "w"))], cut), folder / "net.onnx")
    inputs = (CardInput("labels-onehot", "x", 3), CardInput("noise", "x", 3))
    return colour_card(folder, inputs=inputs, output=CardOutput("y", ("red", "green", "blue"), (-4.0, 4.0)))


def test_ground_has_the_same_noise_in_every_tile_and_another_with_another_seed(tmp_path: Path) -> None:
    view, card = scene(), noise_card(tmp_path)
    first, second = made(card, view, [Window(0, 0, 64, 64), Window(32, 16, 64, 64)])
    assert np.array_equal(first[32:, 16:], second[:32, :48])
    (again,) = made(card, view, [Window(0, 0, 64, 64)])
    (other,) = made(card, view, [Window(0, 0, 64, 64)], seed=2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 25 < first.std() < 39  # 255 / 8 levels a standard deviation


def test_cancel_comes_between_batches(tmp_path: Path) -> None:
    view = scene()
    generator = Onnx(colour_card(tmp_path), CPU)
    run_inline(generator.prepare(view))
    job = generator.generate([view.request(Window(0, 0, 64, 64))] * 3)
    assert (next(job).done, next(job).done) == (1, 2)
    job.close()
    assert len(run_inline(generator.generate([view.request(Window(0, 0, 64, 64))]))) == 1


def test_nothing_is_made_before_a_scene_was_prepared_or_after_close(tmp_path: Path) -> None:
    view, generator = scene(), Onnx(colour_card(tmp_path), CPU)
    with pytest.raises(ModelError, match="not prepared"):
        run_inline(generator.generate([view.request(view.grid.window)]))
    run_inline(generator.prepare(view))
    generator.close()
    with pytest.raises(ModelError, match="not prepared"):
        run_inline(generator.generate([view.request(view.grid.window)]))


def one_node(folder: Path, operator: str, more: list[str], weights: dict[str, np.ndarray], **keys: object) -> ModelCard:
    node = helper.make_node(operator, ["labels", *more], ["picture"], **keys)
    ports = ("n", 3, "h", "w")
    save(graph([node], [("labels", 1, ports)], [("picture", 1, ("n", 3, "h2", "w2"))], weights), folder / "net.onnx")
    return colour_card(folder)


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path) -> None:
    card = one_node(tmp_path, "Div", ["zero"], {"zero": np.zeros(1, np.float32)})
    with pytest.raises(ModelError, match="no numbers"):
        made(card, scene(), [Window(0, 0, 64, 64)])


def test_an_answer_of_another_size_is_refused(tmp_path: Path) -> None:
    card = one_node(tmp_path, "AveragePool", [], {}, kernel_shape=[3, 3])
    with pytest.raises(ModelError, match=r"\(1, 3, 62, 62\) in place of \(1, 3, 64, 64\)"):
        made(card, scene(), [Window(0, 0, 64, 64)])


def test_a_failure_inside_the_network_is_told_with_a_hint(tmp_path: Path) -> None:
    card = one_node(tmp_path, "Add", ["wide"], {"wide": np.zeros((1, 3, 5, 5), np.float32)})
    with pytest.raises(ModelError, match="could not be run") as caught:
        made(card, scene(), [Window(0, 0, 64, 64)])
    assert caught.value.hint


def test_too_little_memory_says_what_to_change(tmp_path: Path) -> None:
    """A real failed allocation: the network asks for 64 TB."""
    nodes = [
        helper.make_node("Expand", ["labels", "shape"], ["wide"]),
        helper.make_node("ReduceMean", ["wide"], ["picture"], axes=[0], keepdims=1),
    ]
    shape = {"shape": np.array([1 << 30, 3, 64, 64], np.int64)}
    ports = ("n", 3, "h", "w")
    save(graph(nodes, [("labels", 1, ports)], [("picture", 1, ports)], shape), tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="memory") as caught:
        made(colour_card(tmp_path), scene(), [Window(0, 0, 64, 64)])
    assert "smaller tile" in caught.value.hint


def test_a_layer_that_cannot_be_frozen_is_warned_of(tmp_path: Path) -> None:
    card = one_node(tmp_path, "MeanVarianceNormalization", [], {})
    generator = Onnx(card, CPU)
    warnings = run_inline(generator.prepare(scene()))
    assert any("MeanVarianceNormalization" in w and "whole tiles" in w for w in warnings)
    assert not generator.spec.exact


def test_foreign_classes_are_warned_of_and_a_wholly_foreign_palette_is_refused(tmp_path: Path) -> None:
    generator = Onnx(colour_card(tmp_path), CPU)
    (first, *_) = run_inline(generator.prepare(scene()))
    assert "does not know vegetation, bare land, tree, paved, rail, crop" in first
    other = Palette((SemanticClass(1, "moon", (1, 1, 1)),), "space")
    view = scene()
    view.palette = other
    with pytest.raises(ModelError, match="knows none of the classes of palette space"):
        run_inline(generator.prepare(view))
    with pytest.raises(ModelError, match="none of the classes"):
        open_generator(str(tmp_path), other, "cpu")


def test_a_resolution_that_is_not_known_is_warned_of(tmp_path: Path) -> None:
    card = colour_card(tmp_path, metres_per_pixel=0.3)
    warnings = run_inline(Onnx(card, CPU).prepare(scene()))
    assert any("0.3 m" in w for w in warnings)


def test_no_data_and_masked_ground_are_fed_as_the_card_says(tmp_path: Path) -> None:
    """The network passes on the photo that it is shown."""
    nodes = [helper.make_node("Slice", ["x", "from", "to", "axis"], ["y"])]
    cut = {"from": np.array([3]), "to": np.array([6]), "axis": np.array([1])}
    save(graph(nodes, [("x", 1, ("n", 7, "h", "w"))], [("y", 1, ("n", 3, "h", "w"))], cut), tmp_path / "net.onnx")
    card = context_card(tmp_path)
    view = scene("float32")
    view.photo[5, 5] = np.nan
    view.valid = np.ones(view.map.shape, bool)
    view.valid[10, 10] = False
    (pixels,) = made(card, view, [view.grid.window])
    shown = np.ones(view.map.shape, bool)
    shown[5, 5] = shown[10, 10] = False
    shown &= view.labels == view.map
    generator = Onnx(card, CPU)
    run_inline(generator.prepare(view))
    stretch = generator.stretch
    assert stretch is not None
    middle = (stretch.low + stretch.high) / 2  # fill 0 in -1..1
    assert np.allclose(pixels[~shown], middle, atol=1e-3)
    kept = shown & ((view.photo > stretch.low) & (view.photo < stretch.high)).all(axis=2)
    assert np.allclose(pixels[kept], view.photo[kept], atol=0.01)


def test_several_inputs_and_index_labels_are_fed_by_name(tmp_path: Path) -> None:
    """Picture = index * 10 + edge * 100, from two inputs of two dtypes."""
    nodes = [
        helper.make_node("Cast", ["index"], ["number"], to=1),
        helper.make_node("Mul", ["number", "ten"], ["tens"]),
        helper.make_node("Mul", ["edge", "hundred"], ["hundreds"]),
        helper.make_node("Add", ["tens", "hundreds"], ["sum"]),
        helper.make_node("Concat", ["sum", "sum", "sum"], ["picture"], axis=1),
    ]
    ports = ("n", 1, "h", "w")
    weights = {"ten": np.array([10], np.float32), "hundred": np.array([100], np.float32)}
    ins = [("index", 7, ports), ("edge", 1, ports)]
    save(graph(nodes, ins, [("picture", 1, ("n", 3, "h", "w"))], weights), tmp_path / "net.onnx")
    classes = (CardClass(0, "nothing"), *(CardClass(i, n) for i, n in enumerate(COLOURS, 1)))
    card = colour_card(
        tmp_path,
        classes=classes,
        unknown="nothing",
        inputs=(CardInput("labels-index", "index", 1, "int64"), CardInput("edges", "edge", 1)),
        output=CardOutput("picture", ("red", "green", "blue"), (0.0, 255.0)),
    )
    view = scene()
    view.labels[100, 100] = 9  # crop: the model does not know it
    (pixels,) = made(card, view, [view.grid.window])
    assert pixels[0, 0, 0] == 10 * view.labels[0, 0]
    assert pixels[60, 60, 0] == 30
    assert pixels[40, 60, 0] in (30, 130)
    assert pixels[100, 100, 0] == 100  # nothing, with an edge round it
    assert pixels[100, 101, 0] == 130


def test_half_precision_networks_are_fed_and_read(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["labels", "colours"], ["picture"])
    colours = (np.array(list(COLOURS.values()), np.float32).T[:, :, None, None] / 255).astype(np.float16)
    ports = ("n", 3, "h", "w")
    save(graph([node], [("labels", 10, ports)], [("picture", 10, ports)], {"colours": colours}), tmp_path / "net.onnx")
    card = colour_card(tmp_path, inputs=(CardInput("labels-onehot", "labels", 3, "float16"),))
    view = scene()
    (pixels,) = made(card, view, [view.grid.window])
    assert np.abs(pixels[60, 60].astype(int) - COLOURS["water"]).max() <= 1


def test_requests_of_a_resampled_scene_may_measure_otherwise_than_their_window(tmp_path: Path) -> None:
    view, generator = scene(), Onnx(context_card(tmp_path, stride=4), CPU)
    run_inline(generator.prepare(view))
    window, random = Window(11, 22, 30, 40), np.random.default_rng(1)
    request = Request(
        window,
        random.integers(1, 4, (60, 80)).astype(np.uint8),
        random.integers(0, 255, (60, 80, 3)).astype(np.uint8),
        np.ones((60, 80), bool),
        np.ones((60, 80), bool),
        1,
    )
    (pixels,) = run_inline(generator.generate([request]))
    assert pixels.shape == (60, 80, 3)


def test_default_palette_classes_reach_the_model_by_alias(tmp_path: Path) -> None:
    classes = (CardClass(0, "House", ("Building",)), CardClass(1, "street"), CardClass(2, "waterway"))
    view = scene()
    (pixels,) = made(colour_card(tmp_path, classes=classes), view, [view.grid.window])
    assert DEFAULT_PALETTE.find("water").id == 3
    assert pixels[60, 60].tolist() == list(COLOURS["water"])


def test_context_net_reaches_as_far_as_it_says(tmp_path: Path) -> None:
    """The fixture itself: one changed pixel changes a square of 2 * 5 + 1 and no more."""
    context_net(tmp_path / "net.onnx")
    view, card = scene(), context_card(tmp_path)
    (before,) = made(card, view, [Window(0, 0, 96, 96)])
    view.labels[20, 20] = 1 + view.labels[20, 20] % 3
    (after,) = made(card, view, [Window(0, 0, 96, 96)])
    rows, cols = np.nonzero((before != after).any(axis=2))
    assert 15 <= rows.min() <= 17 and 23 <= rows.max() <= 25
    assert 15 <= cols.min() <= 17 and 23 <= cols.max() <= 25
