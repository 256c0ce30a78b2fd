"""With its statistics frozen a network makes the same pixels in every tile; without, it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators import remembered
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice, open_session
from cimgen_qt.generators.frozen import Freezer, Unedited, typical
from cimgen_qt.generators.onnx_backend import Onnx
from cimgen_qt.generators.onnx_graph import read_graph
from tests.generators.nets import context_card, graph, save
from tests.generators.scenes import MemoryScene
from tests.generators.torch_nets import CHANNELS, NETS, exported, net_card, scene


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))


def prepared(card: ModelCard, view: MemoryScene, choice: Choice | None = None) -> Onnx:
    generator = Onnx(card, choice or Choice("cpu"))
    run_inline(generator.prepare(view))
    return generator


def answers(generator: Onnx, view: MemoryScene, windows: list[Window]) -> list[Pixels]:
    return run_inline(generator.generate([view.request(window) for window in windows]))


def apart(generator: Onnx, view: MemoryScene, halo: int) -> int:
    """The largest difference, in levels, of two tiles where both must be right; the second lies 16 pixels further."""
    first, second = Window(32, 48, 128, 128), Window(48, 64, 128, 128)
    common = first.intersect(second).padded(-halo)
    one, other = answers(generator, view, [first, second])
    assert np.ptp(one[common.slices(first)]) > 60  # the network does make something
    return int(np.abs(one[common.slices(first)].astype(int) - other[common.slices(second)]).max())


@pytest.mark.parametrize("kind", NETS)
def test_tiles_that_overlap_agree_to_zero_levels(tmp_path: Path, kind: str) -> None:
    view = scene()
    generator = prepared(net_card(tmp_path, kind), view)
    assert apart(generator, view, NETS[kind][2]) == 0
    assert generator.spec.exact
    assert generator.spec.statistics


@pytest.mark.parametrize("kind", NETS)
def test_without_frozen_statistics_they_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(Freezer, "is_able", lambda *_: False)
    view = scene()
    generator = prepared(net_card(tmp_path, kind), view)
    assert apart(generator, view, NETS[kind][2]) > 1
    assert not generator.spec.exact
    assert not generator.spec.statistics


def test_a_tile_off_the_stride_is_fed_from_the_stride_on(tmp_path: Path) -> None:
    view = scene()
    generator = prepared(net_card(tmp_path, "resnet"), view)
    first, second = Window(32, 48, 128, 128), Window(45, 62, 120, 115)
    common = first.intersect(second).padded(-28)
    one, other = answers(generator, view, [first, second])
    assert np.array_equal(one[common.slices(first)], other[common.slices(second)])


@pytest.mark.parametrize("kind", NETS)
def test_the_window_that_was_measured_comes_out_as_it_did_before(kind: str) -> None:
    """The constants are those that the network would have used there."""
    model = exported(kind)
    freezer = Freezer(parsed := onnx.load_from_string(model))
    assert freezer.is_able(1)
    measuring, taps = freezer.measuring(), freezer.taps
    feeds = {"x": np.random.default_rng(2).normal(size=(1, CHANNELS, 64, 80)).astype(np.float32)}
    (before,) = open_session(model, Choice("cpu")).session.run(["y"], feeds)
    found = open_session(measuring, Choice("cpu")).session.run(["y", *taps], feeds)
    assert np.array_equal(found[0], before)
    freezer.freeze(dict(zip(taps, found[1:], strict=True)))
    (after,) = open_session(parsed.SerializeToString(), Choice("cpu")).session.run(["y"], feeds)
    assert np.abs(after - before).max() < 2e-5
    assert np.ptp(before) > 0.5


def test_what_was_frozen_is_no_longer_in_the_graph() -> None:
    for kind in ("resnet", "grouped", "affine"):
        model = exported(kind)
        assert read_graph(model).whole_tile_operators == ["InstanceNormalization"]
        freezer = Freezer(parsed := onnx.load_from_string(model))
        ones = {
            tap: np.array([1, 16, 1, 1]) if tap.endswith("size") else np.ones((1, 4, 1), np.float32)
            for tap in freezer.taps
        }
        freezer.freeze(ones)
        assert read_graph(parsed.SerializeToString()).whole_tile_operators == []


def test_there_is_no_warning_of_whole_tiles_once_they_are_frozen(tmp_path: Path) -> None:
    generator = Onnx(net_card(tmp_path, "resnet"), Choice("cpu"))
    warnings = run_inline(generator.prepare(scene()))
    assert not any("whole tiles" in warning for warning in warnings)


def test_neither_threads_nor_edits_change_the_statistics(tmp_path: Path) -> None:
    card, view = net_card(tmp_path, "resnet"), scene()
    other = MemoryScene(view.photo, view.map, view.map.copy())
    other.labels[10:200, 10:200] = 3
    window = Window(0, 0, 32, 32)
    results = []
    for seen, threads in ((view, 1), (view, 2), (other, 1)):
        shutil.rmtree(remembered.folder(), ignore_errors=True)
        generator = prepared(card, seen, Choice("cpu", threads))
        shown = MemoryScene(view.photo, view.map, view.labels)
        results.append((generator.spec.statistics, answers(generator, shown, [window])[0]))
    assert len({place for place, _ in results}) == 1
    assert all(np.array_equal(results[0][1], pixels) for _, pixels in results)


def test_a_scene_is_measured_once_and_another_anew(tmp_path: Path) -> None:
    card, view = net_card(tmp_path, "affine"), scene()
    window = Window(0, 0, 64, 64)
    first = answers(prepared(card, view), view, [window])[0]
    (kept,) = remembered.folder().glob("*.npz")
    written = kept.stat().st_mtime_ns
    assert np.array_equal(answers(prepared(card, view), view, [window])[0], first)
    assert kept.stat().st_mtime_ns == written
    view.photo[:] //= 2
    prepared(card, view)
    assert len(list(remembered.folder().glob("*.npz"))) == 2


def test_a_damaged_or_strange_memory_is_measured_again(tmp_path: Path) -> None:
    card, view = net_card(tmp_path, "affine"), scene()
    window = Window(0, 0, 64, 64)
    first = answers(prepared(card, view), view, [window])[0]
    (kept,) = remembered.folder().glob("*.npz")
    whole = kept.read_bytes()
    for bad in (b"", whole[:-40], b"PK\x03\x04" + whole[4:60], b"\x80\x04N."):
        kept.write_bytes(bad)
        assert np.array_equal(answers(prepared(card, view), view, [window])[0], first)
        assert kept.read_bytes() == whole
    for values in ({"other": np.zeros(3)}, dict.fromkeys(np.load(kept).files, np.array([np.nan]))):
        np.savez(kept, **values)
        assert np.array_equal(answers(prepared(card, view), view, [window])[0], first)


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "file"))
    assert prepared(net_card(tmp_path, "affine"), scene()).spec.statistics


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 3)
    for number in range(5):
        remembered.remember(f"{number}", {"a": np.zeros(2)})
        os.utime(remembered.folder() / f"{number}.npz", ns=(number, number))
    assert sorted(path.stem for path in remembered.folder().iterdir()) == ["2", "3", "4"]


def test_a_pooled_value_stays_in_a_network_that_takes_several_tiles(tmp_path: Path) -> None:
    generator = Onnx(net_card(tmp_path, "squeezed", batch=2), Choice("cpu"))
    warnings = run_inline(generator.prepare(scene()))
    assert any("GlobalAveragePool" in warning for warning in warnings)
    assert not generator.spec.exact


def test_a_halo_that_is_too_small_forbids_to_cut(tmp_path: Path) -> None:
    card = net_card(tmp_path, "resnet", halo=8)
    assert not prepared(card, scene()).spec.exact


def normalised(folder: Path, dtype: int, reshaped: bool) -> ModelCard:
    """One layer of instance normalisation, in half precision or on rows of pixels in place of pictures."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["made"]), helper.make_node("Cast", ["made"], ["a"], to=dtype)]
    wide = "a"
    if reshaped:
        nodes.append(helper.make_node("Reshape", ["a", "rows"], ["b"]))
        wide = "b"
    nodes.append(helper.make_node("InstanceNormalization", [wide, "s", "t"], ["c"]))
    if reshaped:
        nodes += [helper.make_node("Shape", ["a"], ["size"]), helper.make_node("Reshape", ["c", "size"], ["d"])]
    nodes.append(helper.make_node("Cast", ["d" if reshaped else "c"], ["y"], to=TensorProto.FLOAT))
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    weights = {
        "w": np.random.default_rng(1).normal(size=(3, CHANNELS, 1, 1)).astype(np.float32),
        "s": np.full(3, 0.5, kind),
        "t": np.zeros(3, kind),
        "rows": np.array([1, 3, -1], np.int64),
    }
    save(graph(nodes, [("x", 1, ("n", 7, "h", "w"))], [("y", 1, ("n", 3, "h", "w"))], weights), folder / "net.onnx")
    return context_card(folder)


def test_half_precision_is_frozen_in_half_precision(tmp_path: Path) -> None:
    view = scene()
    generator = prepared(normalised(tmp_path, TensorProto.FLOAT16, False), view)
    assert generator.spec.exact
    assert apart(generator, view, 0) == 0


def test_a_layer_that_is_not_of_pictures_is_left_as_it_is_and_warned_of(tmp_path: Path) -> None:
    view, generator = scene(), Onnx(normalised(tmp_path, TensorProto.FLOAT, True), Choice("cpu"))
    warnings = run_inline(generator.prepare(view))
    assert any("InstanceNormalization" in warning and "whole tiles" in warning for warning in warnings)
    assert (generator.spec.exact, generator.spec.statistics) == (False, "")
    assert np.ptp(answers(generator, view, [Window(0, 0, 64, 64)])[0]) > 60


def test_the_typical_window_is_one_whose_classes_stand_as_in_all_of_them() -> None:
    classes = np.full((500, 500), 1, np.uint8)
    classes[:, ::2] = 2
    classes[:100, :100] = 3
    view = MemoryScene(np.zeros((500, 500, 3), np.uint8), classes, classes.copy())
    view.valid = np.ones(classes.shape, bool)
    view.valid[100:] = False
    tile = typical(Unedited(view), Lattice(GeneratorSpec("x")), 100)
    assert tile.outer == Window(0, 100, 100, 100)


def test_a_damaged_graph_is_refused_before_it_is_frozen(tmp_path: Path) -> None:
    card = net_card(tmp_path, "affine")
    data = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "net.onnx").write_bytes(data[:-20])
    with pytest.raises(ModelError):
        Onnx(card, Choice("cpu"))
