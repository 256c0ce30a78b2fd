"""A small edit feeds a window and not a tile, and the pixels are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.blend import BlendMode, BlendSettings, blend
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress, run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.render import RIM, Rendered, render
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.scope import scope_of
from tests.rasters import MemoryReader, noise, project_over

STRIDE, HALO = 4, 10


@dataclass
class Local:
    """Means over 21 x 21 pixels of photo, classes and mask, on squares of 4 x 4 fixed to the ground: looks 13 pixels
    far. Becomes `exact` when it is prepared, as a network does."""

    exact: bool
    halo: int = 13
    asked: list[Request] = field(default_factory=list)

    @property
    def spec(self) -> GeneratorSpec:
        return GeneratorSpec("local", tile=128, stride=STRIDE, halo=self.halo, exact=self.exact and self.ready)

    ready: bool = False

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        self.ready = True
        yield Progress(1, 1)
        return ()

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        self.asked += requests
        yield Progress(1, 1)
        return [self._made(request) for request in requests]

    def _made(self, request: Request) -> Pixels:
        assert request.window.row % STRIDE == request.window.col % STRIDE == 0
        seen = request.photo.astype(np.int64) + request.labels[..., None] * 40 + request.mask[..., None] * 90
        squares = seen.reshape(seen.shape[0] // 4, 4, -1, 4, 3).sum(axis=(1, 3))
        squares = np.kron(squares, np.ones((4, 4, 1), np.int64))
        wide = np.pad(squares, ((HALO, HALO), (HALO, HALO), (0, 0)), mode="edge")
        sums = np.pad(wide, ((1, 0), (1, 0), (0, 0))).cumsum(axis=0).cumsum(axis=1)
        side = 2 * HALO + 1
        sums = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        return (sums // 97 % 256).astype(request.photo.dtype)

    def close(self) -> None:
        return None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    classes = np.kron(np.random.default_rng(2).integers(1, 5, (20, 20)), np.ones((24, 24))).astype(np.uint8)
    made = project_over(tmp_path / "p.cimgen", MemoryReader(noise(480, 480)), classes)
    yield made
    made.project.close()


def made_by(scene: Scene, generator: Local, blend: BlendSettings | None = None) -> Rendered:
    snapshot = scene.snapshot()
    return run_inline(render(snapshot, scope_of(snapshot, "changed"), generator, 1, blend or BlendSettings()))


def same(one: Rendered, other: Rendered) -> bool:
    pairs = list(zip(one.patches, other.patches, strict=True))
    return all(np.array_equal(a.pixels, b.pixels) and np.array_equal(a.origin, b.origin) for a, b in pairs)


def fed(generator: Local) -> int:
    return sum(request.window.area for request in generator.asked)


EDITS = {
    "one inside a tile": [Rectangle(170, 190, 20, 16)],
    "across four tiles": [Rectangle(120, 250, 17, 13)],
    "at the corner of the scene": [Rectangle(0, 464, 16, 16)],
    "two in one tile": [Rectangle(140, 140, 9, 9), Rectangle(240, 240, 9, 9)],
    "near a tile's edge": [Rectangle(118, 50, 9, 30)],
    "large": [Rectangle(30, 30, 300, 290)],
}


@pytest.mark.parametrize("mode", BlendMode)
@pytest.mark.parametrize("edits", EDITS)
def test_pixels_are_those_of_whole_tiles(scene: Scene, edits: str, mode: BlendMode) -> None:
    for rectangle in EDITS[edits]:
        scene.paint(Edit(rectangle, 5))
    whole, cut = Local(False), Local(True)
    settings = BlendSettings(mode, colour_match=mode is BlendMode.FEATHER)
    assert same(made_by(scene, whole, settings), made_by(scene, cut, settings))
    assert fed(cut) <= fed(whole)


def test_a_small_edit_feeds_its_window_and_halo_alone(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(170, 190, 20, 16), 5))
    whole, cut = Local(False), Local(True)
    made_by(scene, whole)
    made_by(scene, cut)
    assert [r.window for r in whole.asked] == [Window(112, 112, 160, 160)]
    assert [r.window for r in cut.asked] == [Window(168 - 16, 188 - 16, 24 + 32, 20 + 32)]
    assert fed(whole) > 8 * fed(cut)


def test_a_halo_that_is_too_small_would_be_seen(scene: Scene) -> None:
    """The counter-test: pixels do differ where a window shows less than the generator looks at."""
    scene.paint(Edit(Rectangle(170, 190, 20, 16), 5))
    assert not same(made_by(scene, Local(False, halo=2)), made_by(scene, Local(True, halo=2)))


def test_two_edits_in_a_tile_are_made_apart(scene: Scene) -> None:
    for rectangle in EDITS["two in one tile"]:
        scene.paint(Edit(rectangle, 5))
    cut = Local(True)
    rendered = made_by(scene, cut)
    assert len(cut.asked) == rendered.tiles == 2
    assert fed(cut) < 160 * 160 / 2


def test_a_window_that_two_blocks_share_is_made_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cimgen_qt.core.render.LARGEST_BLEND", 32)
    scene.paint(Edit(Rectangle(140, 140, 100, 100), 5))
    cut = Local(True)
    made_by(scene, cut)
    assert len(cut.asked) == len({request.window for request in cut.asked}) == 1


def test_nothing_is_cut_before_the_generator_said_so(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(170, 190, 20, 16), 5))
    generator = Local(True)
    assert not generator.spec.exact
    made_by(scene, generator)
    assert generator.spec.exact
    assert fed(generator) < 4000


@pytest.mark.parametrize("hard_edges", [True, False])
@pytest.mark.parametrize("colour_match", [True, False])
@pytest.mark.parametrize("mode", BlendMode)
def test_a_blend_looks_at_nothing_that_was_made_beyond_the_rim(
    mode: BlendMode, colour_match: bool, hard_edges: bool
) -> None:
    """What a window leaves out must not count: other values there change no pixel."""
    random = np.random.default_rng(8)
    photo, new = (random.integers(0, 256, (90, 90, 3)).astype(np.uint8) for _ in range(2))
    mask = np.zeros((90, 90), bool)
    mask[30:60, 35:50] = True
    mask[40:44, 50:58] = True
    labels = np.where(np.arange(90) < 45, 1, 2).astype(np.uint8) + np.zeros((90, 1), np.uint8)
    settings = BlendSettings(mode, colour_match=colour_match, hard_edges=hard_edges, tau=4.0)
    near = np.zeros_like(mask)
    for down in range(-RIM, RIM + 1):
        for right in range(-RIM, RIM + 1):
            near |= np.roll(mask, (down, right), (0, 1))
    other = np.where(near[..., None], new, photo)
    one, two = (blend(photo, made, mask, settings, labels=labels) for made in (new, other))
    assert np.array_equal(one.pixels, two.pixels)
    assert np.array_equal(one.origin, two.origin)
    assert not np.array_equal(one.pixels, photo)


def test_the_facts_of_a_render_tell_where_statistics_are_from(scene: Scene) -> None:
    class Measured(Local):
        @property
        def spec(self) -> GeneratorSpec:
            return replace(super().spec, statistics="row 1, column 2, 3 x 4 pixels")

    scene.paint(Edit(Rectangle(170, 190, 20, 16), 5))
    assert made_by(scene, Measured(True)).facts()["model"]["statistics"] == "row 1, column 2, 3 x 4 pixels"
