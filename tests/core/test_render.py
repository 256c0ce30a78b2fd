"""The main job with a generator that writes down what it was asked: tiles, scopes, resampling, order of painting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress, run_inline
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.render import Patch, Rendered, render
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.scope import edited_scope, polygon_scope, scope_of, whole_scope
from cimgen_qt.core.tiling import Lattice
from tests.rasters import MemoryReader, noise, project_over

AS_MADE = BlendSettings(BlendMode.REPLACE)


@dataclass
class Scribe:
    """Gives every pixel its class times ten plus the seed, and keeps the requests."""

    spec: GeneratorSpec = field(default_factory=lambda: GeneratorSpec("scribe", tile=64, stride=4, halo=10))
    asked: list[Request] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        yield Progress(1, 1)
        return self.warnings

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        self.asked += requests
        yield Progress(1, 1)
        return [np.repeat(r.labels[..., None] * 10 + r.seed, 3, 2).astype(r.photo.dtype) for r in requests]

    def close(self) -> None:
        return None


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = project_over(tmp_path / "p.cimgen", MemoryReader(noise(500, 600)), np.full((500, 600), 4, np.uint8))
    yield made
    made.project.close()


def made_by(scene: Scene, scribe: Scribe, scope: str = "changed", seed: int = 1, grow: int = 0) -> Rendered:
    snapshot = scene.snapshot()
    return run_inline(render(snapshot, scope_of(snapshot, scope, grow), scribe, seed, AS_MADE))


def test_only_tiles_under_the_change_are_asked_for(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(70, 70, 20, 20), 2))
    scribe = Scribe()
    rendered = made_by(scene, scribe)
    assert [r.window for r in scribe.asked] == [Window(64 - 12, 64 - 12, 88, 88)]
    assert rendered.tiles == 1
    assert rendered.pixels == 400
    (patch,) = rendered.patches
    assert (patch.pixels[patch.mask] == 21).all()


def test_outer_windows_are_aligned_and_mirrored_at_the_edge(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(0, 590, 10, 10), 2))
    scribe = Scribe()
    made_by(scene, scribe)
    (request,) = scribe.asked
    assert request.photo.shape[:2] == request.window.shape == (88, 88)
    assert request.window.row == -12
    assert request.window.row % 4 == request.window.col % 4 == 0
    photo = scene.snapshot().read_photo(Window(0, request.window.col, 12, 36))
    assert np.array_equal(request.photo[:12, :36], photo[::-1])


def test_a_request_sees_the_original_photo_and_never_earlier_output(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(70, 70, 20, 20), 2))
    scene.lay(made_by(scene, Scribe()))
    scene.paint(Edit(Rectangle(100, 70, 20, 20), 3))
    scribe = Scribe()
    made_by(scene, scribe)
    (request,) = scribe.asked
    inside = request.window.intersect(scene.grid.window)
    assert np.array_equal(request.photo, scene.reader.read(inside))
    assert not (request.labels == 2).any(), "another area's edit was seen"


def test_pixels_do_not_depend_on_the_order_of_painting(tmp_path: Path) -> None:
    edits = [Edit(Rectangle(60, 60, 40, 40), 2), Edit(Rectangle(90, 90, 40, 40), 3), Edit(Rectangle(300, 300, 9, 9), 1)]
    results = []
    for number, order in enumerate([(0, 1, 2), (2, 0, 1)]):
        made = project_over(
            tmp_path / f"{number}.cimgen", MemoryReader(noise(500, 600)), np.full((500, 600), 4, np.uint8)
        )
        for at in order:
            made.paint(edits[at])
            made.lay(made_by(made, Scribe()))
        results.append(made.read_pixels(Window(0, 0, 500, 600)))
        made.project.close()
    assert np.array_equal(*results)


def test_an_untouched_area_is_not_made_again(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(70, 70, 20, 20), 2))
    scene.lay(made_by(scene, Scribe(), seed=1))
    scene.paint(Edit(Rectangle(300, 300, 20, 20), 2))
    scene.lay(made_by(scene, Scribe(), seed=5))
    assert (scene.read_pixels(Window(70, 70, 20, 20)) == 21).all()
    assert (scene.read_pixels(Window(300, 300, 20, 20)) == 25).all()
    with pytest.raises(CimgenError, match="nothing to generate"):
        made_by(scene, Scribe())
    scene.lay(made_by(scene, Scribe(), "edited", seed=7))
    assert (scene.read_pixels(Window(70, 70, 20, 20)) == 27).all()


def test_growing_widens_the_change_by_so_many_pixels(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(250, 250, 10, 10), 2))
    rendered = made_by(scene, Scribe(), grow=6)
    changed = np.zeros((500, 600), bool)
    for patch in rendered.patches:
        changed[patch.window.slices()] |= patch.mask
    rows, cols = np.nonzero(changed)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (244, 265, 244, 265)
    assert not changed[244, 244], "corners are round"


def test_named_ground_is_made_whether_it_changed_or_not(scene: Scene) -> None:
    x0, y0 = scene.grid.xy(100, 100)
    x1, y1 = scene.grid.xy(140, 160)
    ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
    text = f'{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    assert polygon_scope(scene.snapshot(), text).areas[0].pixels == 40 * 60
    assert whole_scope(scene.snapshot()).areas[0].pixels == 500 * 600
    scene.lay(made_by(scene, Scribe(), text))
    assert (scene.read_pixels(Window(100, 100, 40, 60)) == 41).all()
    assert scene.areas() == ()


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"type": "Point", "coordinates": [1, 2]}', '{"type": "Polygon"}'])
def test_a_scope_that_is_no_polygon_is_refused(scene: Scene, text: str) -> None:
    with pytest.raises(CimgenError, match="polygon"):
        polygon_scope(scene.snapshot(), text)


def test_ground_resolution_of_the_model_is_respected(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(100, 100, 80, 80), 2))
    scribe = Scribe(GeneratorSpec("coarse", tile=64, stride=8, halo=16, metres_per_pixel=1.0))
    rendered = made_by(scene, scribe)
    request = scribe.asked[0]
    assert request.window.shape == (128 + 64, 128 + 64)
    assert request.labels.shape == (96, 96)
    assert request.metres_per_pixel == 1.0
    assert sum(int(p.mask.sum()) for p in rendered.patches) == 6400
    for patch in rendered.patches:
        assert set(np.unique(patch.pixels[patch.mask])) <= set(range(21, 42))


def test_an_area_is_taken_whole_where_the_generator_wants_that(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(100, 100, 150, 220), 2))
    scribe = Scribe(GeneratorSpec("whole", tile=0, halo=20, largest=512))
    made_by(scene, scribe)
    assert [r.window for r in scribe.asked] == [Window(80, 80, 190, 260)]


def test_lattice_tiles_cover_without_overlap() -> None:
    lattice = Lattice(GeneratorSpec("x", tile=64, stride=16, halo=20), (0.7, 1.3))
    window = Window(33, 470, 200, 300)
    seen = np.zeros((600, 1000), int)
    for tile in lattice.tiles_under(window):
        seen[tile.inner.slices()] += 1
        assert tile.height % 16 == tile.width % 16 == 0
        assert tile.outer.contains(tile.inner)
    assert (seen[window.slices()] == 1).all()
    assert seen.max() == 1


def test_a_generator_that_breaks_its_promise_is_told(scene: Scene) -> None:
    class Liar(Scribe):
        def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
            yield Progress(1, 1)
            return [np.zeros((3, 3, 3), np.uint8) for _ in requests]

    scene.paint(Edit(Rectangle(70, 70, 20, 20), 2))
    with pytest.raises(ModelError, match="was asked for"):
        made_by(scene, Liar())


def test_large_areas_are_blended_in_pieces_that_fit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cimgen_qt.core.render.LARGEST_BLEND", 64)
    made = project_over(tmp_path / "p.cimgen", MemoryReader(noise(400, 400)), np.full((400, 400), 4, np.uint8))
    made.paint(Edit(Rectangle(30, 30, 300, 300), 2))
    patches: list[Patch] = []
    snapshot = made.snapshot()
    job = render(snapshot, edited_scope(snapshot), Scribe(), 1, AS_MADE)
    run_inline(job, lambda p: patches.append(p.payload) is None if p.payload is not None else True)
    assert len(patches) == 25
    cover = np.zeros((400, 400), int)
    for patch in patches:
        cover[patch.window.slices()] += patch.mask
        assert (patch.pixels[patch.mask] == 21).all()
    assert cover[30:330, 30:330].min() == cover.max() == 1
    made.project.close()
