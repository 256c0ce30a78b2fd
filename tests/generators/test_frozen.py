"""With its statistics frozen a network makes the same pixels in every tile; without, it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators import exactness
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice, open_session
from cimgen_qt.generators.frozen import Freezer, Unedited, typical
from cimgen_qt.generators.onnx_backend import Onnx
from cimgen_qt.generators.onnx_graph import read_graph
from tests.generators.scenes import MemoryScene
from tests.generators.torch_nets import CHANNELS, NETS, exported, net_card, scene


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
    measuring, taps = freezer.measuring()
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
        _, taps = freezer.measuring()
        ones = {
            tap: np.array([1, 16, 1, 1]) if tap.endswith("size") else np.ones((1, 4, 1), np.float32) for tap in taps
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
        exactness._statistics.clear()
        generator = prepared(card, seen, Choice("cpu", threads))
        shown = MemoryScene(view.photo, view.map, view.labels)
        results.append((generator.spec.statistics, answers(generator, shown, [window])[0]))
    assert len({place for place, _ in results}) == 1
    assert all(np.array_equal(results[0][1], pixels) for _, pixels in results)


def test_a_scene_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exactness._statistics.clear()
    measured: list[int] = []
    monkeypatch.setattr(Freezer, "measuring", _counted(measured))
    card, view = net_card(tmp_path, "affine"), scene()
    for _ in range(3):
        prepared(card, view)
    assert len(measured) == 1
    view.photo[:] //= 2
    prepared(card, view)
    assert len(measured) == 2


def _counted(calls: list[int]):  # type: ignore[no-untyped-def]
    real = Freezer.measuring

    def count(self: Freezer) -> tuple[bytes, list[str]]:
        calls.append(1)
        return real(self)

    return count


def test_a_pooled_value_stays_in_a_network_that_takes_several_tiles(tmp_path: Path) -> None:
    generator = Onnx(net_card(tmp_path, "squeezed", batch=2), Choice("cpu"))
    warnings = run_inline(generator.prepare(scene()))
    assert any("GlobalAveragePool" in warning for warning in warnings)
    assert not generator.spec.exact


def test_a_halo_that_is_too_small_forbids_to_cut(tmp_path: Path) -> None:
    card = net_card(tmp_path, "resnet", halo=8)
    assert not prepared(card, scene()).spec.exact


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
