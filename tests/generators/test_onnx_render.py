"""The main job with a real network: tiles leave no trace, and nothing outside the painted ground is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.generator import Request
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.render import PristineView, render
from cimgen_qt.core.scope import changed_scope
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators import open_generator
from cimgen_qt.generators.onnx_backend import Onnx
from tests.generators.nets import context_card
from tests.generators.torch_nets import net_card
from tests.rasters import MemoryReader, noise, project_over

SIDE = 320
WHOLE = Window(0, 0, SIDE, SIDE)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIMGEN_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize(("stride", "halo"), [(1, 5), (4, 5), (16, 9)])
def test_a_rendered_area_equals_one_pass_over_the_whole_scene(tmp_path: Path, stride: int, halo: int) -> None:
    classes = np.kron(np.random.default_rng(4).integers(1, 4, (10, 10)), np.ones((32, 32))).astype(np.uint8)
    scene = project_over(tmp_path / "p.cimgen", MemoryReader(noise(SIDE, SIDE)), classes)
    scene.paint(Edit(Rectangle(30, 40, 150, 170), 3))
    snapshot = scene.snapshot()
    card = context_card(tmp_path, stride=stride, halo=halo)
    generator = open_generator(str(card.path), snapshot.palette, "cpu")
    scope = changed_scope(snapshot)
    made = run_inline(render(snapshot, scope, generator, 1, BlendSettings(BlendMode.REPLACE)))
    assert made.tiles > 9
    assert made.model["sha256"] == card.sha256
    view = PristineView(snapshot, scope)
    photo, labels, mask = view.read_photo(WHOLE), view.read_labels(WHOLE), view.read_scope(WHOLE)
    (whole,) = run_inline(generator.generate([Request(WHOLE, labels, photo, mask, view.read_valid(WHOLE), 1)]))
    changed = snapshot.read_labels(WHOLE) != snapshot.read_map(WHOLE)
    covered = np.zeros_like(changed)
    for patch in made.patches:
        place = patch.window.slices()
        assert np.array_equal(patch.pixels[patch.mask], whole[place][patch.mask])
        covered[place] |= patch.mask
    assert np.array_equal(covered, changed)
    scene.project.close()


def test_an_edit_costs_a_window_and_gives_the_pixels_of_its_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a network of torch's that normalises by instance: 24 pixels edited in a tile of 256."""
    classes = np.kron(np.random.default_rng(4).integers(1, 4, (10, 10)), np.ones((32, 32))).astype(np.uint8)
    project = project_over(tmp_path / "p.cimgen", MemoryReader(noise(SIDE, SIDE)), classes)
    project.paint(Edit(Rectangle(100, 90, 24, 24), 4))
    snapshot = project.snapshot()
    card = net_card(tmp_path, "resnet", tile=256)
    fed: list[int] = []
    monkeypatch.setattr(Onnx, "generate", _watched(fed))
    made = []
    for cut in (True, False):
        generator = open_generator(str(card.path), snapshot.palette, "cpu")
        if not cut:
            monkeypatch.setattr(Lattice, "cuts", False)
        made.append(run_inline(render(snapshot, changed_scope(snapshot), generator, 1, BlendSettings())))
        assert made[-1].model["statistics"]
    (window,), (tile,) = made[0].patches, made[1].patches
    assert np.array_equal(window.pixels, tile.pixels)
    assert (window.pixels != snapshot.read_photo(window.window))[window.mask].mean() > 0.9
    assert fed == [(32 + 2 * 28) * (28 + 2 * 28), (256 + 2 * 28) ** 2]  # edit and rim, in whole strides, and halo
    project.project.close()


def _watched(fed: list[int]) -> Callable[[Onnx, Sequence[Request]], Job[list[Pixels]]]:
    real = Onnx.generate

    def generate(self: Onnx, requests: Sequence[Request]) -> Job[list[Pixels]]:
        fed.extend(request.labels.size for request in requests)
        return real(self, requests)

    return generate
