"""Painting, undoing, accepting and the file that remembers it, beside a plain numpy model."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cimgen_qt.core.edits import Edit, Polygon, Rectangle, Stroke
from cimgen_qt.core.errors import MapError, ProjectError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.project import Project
from cimgen_qt.core.raster import Labels
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.core.scene import Scene
from tests.rasters import MemoryReader, blocks_of, noise, project_over

HEIGHT, WIDTH = 600, 700
WHOLE = Window(0, 0, HEIGHT, WIDTH)


def start_map() -> Labels:
    labels = np.full((HEIGHT, WIDTH), 4, np.uint8)
    labels[100:200, 100:300] = 1
    return labels


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = project_over(tmp_path / "p.cimgen", MemoryReader(noise(HEIGHT, WIDTH)), start_map())
    yield made
    made.project.close()


def proposal(scene: Scene, window: Window, value: int = 7, revision: int | None = None) -> Rendered:
    mask = scene.snapshot().read_labels(window) != scene.snapshot().read_map(window)
    pixels = np.full((*window.shape, 3), value, np.uint8)
    patch = Patch(window, mask, np.zeros_like(mask), pixels, np.where(mask, 1, 0).astype(np.uint8))
    head = scene.project.head if revision is None else revision
    return Rendered((patch,), head, {"name": "flat", "sha256": ""}, 3, {"mode": "replace"}, "changed")


def test_paint_undo_and_redo_without_limit(scene: Scene) -> None:
    states = [scene.read_labels(WHOLE)]
    for number in range(60):
        scene.paint(Edit(Rectangle(number * 9, number * 10, 20, 30), 1 + number % 3))
        states.append(scene.read_labels(WHOLE))
    for wanted in states[-2::-1]:
        scene.undo()
        assert np.array_equal(scene.read_labels(WHOLE), wanted)
    for wanted in states[1:]:
        scene.redo()
        assert np.array_equal(scene.read_labels(WHOLE), wanted)
    assert not scene.can_redo


def test_new_act_drops_what_was_undone(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(0, 0, 10, 10), 2))
    scene.undo()
    scene.paint(Edit(Rectangle(50, 50, 10, 10), 3))
    assert not scene.can_redo
    assert scene.read_labels(Window(0, 0, 1, 1))[0, 0] == 4
    assert len(scene.project.acts()) == 2


def test_paint_that_changes_nothing_is_no_act(scene: Scene) -> None:
    head = scene.project.head
    assert scene.paint(Edit(Rectangle(0, 0, 10, 10), 4)) is None
    assert scene.paint(Edit(Rectangle(-50, -50, 10, 10), 1)) is None
    assert scene.project.head == head


def test_protected_classes_stay(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(90, 90, 300, 300), 3, frozenset({1})))
    labels = scene.read_labels(WHOLE)
    assert (labels[100:200, 100:300] == 1).all()
    assert (labels[300:390, 90:390] == 3).all()


def test_class_that_the_palette_lacks_is_refused(scene: Scene) -> None:
    with pytest.raises(MapError, match="no class '77'"):
        scene.paint(Edit(Rectangle(0, 0, 5, 5), 77))


def test_brush_shows_each_move_and_ends_as_the_same_stroke(scene: Scene) -> None:
    points = ((250.0, 250.0), (262.0, 259.5), (240.25, 300.0))
    brush = scene.brush(2, 12.5)
    for row, col in points:
        dirty = brush.move(row, col)
        assert (scene.read_labels(dirty) == 2).any()
    shown = scene.read_labels(WHOLE)
    brush.finish()
    assert np.array_equal(scene.read_labels(WHOLE), shown)
    scene.undo()
    scene.paint(Edit(Stroke(points, 12.5), 2))
    assert np.array_equal(scene.read_labels(WHOLE), shown)


def test_cancelled_stroke_leaves_nothing(scene: Scene) -> None:
    head, before = scene.project.head, scene.read_labels(WHOLE)
    brush = scene.brush(2, 30)
    brush.move(300, 300)
    brush.cancel()
    assert np.array_equal(scene.read_labels(WHOLE), before)
    assert scene.project.head == head


def test_accept_lays_pixels_only_where_the_map_changed(scene: Scene) -> None:
    photo = scene.read_pixels(WHOLE)
    scene.paint(Edit(Stroke(((255.0, 255.0), (300.0, 420.0)), 20), 2))
    changed = scene.read_labels(WHOLE) != scene.read_map(WHOLE)
    scene.lay(proposal(scene, Window(200, 200, 200, 300)))
    after = scene.read_pixels(WHOLE)
    assert (after[changed] == 7).all()
    assert np.array_equal(after[~changed], photo[~changed])
    assert np.array_equal(scene.snapshot().read_origin(WHOLE) > 0, changed)
    assert scene.areas() == ()
    scene.undo()
    assert np.array_equal(scene.read_pixels(WHOLE), photo)
    assert len(scene.areas()) == 1


def test_restore_brings_class_and_pixels_back_bit_for_bit(scene: Scene) -> None:
    photo = scene.read_pixels(WHOLE)
    scene.paint(Edit(Rectangle(200, 200, 100, 100), 2))
    scene.lay(proposal(scene, Window(200, 200, 100, 100)))
    scene.paint(Edit(Rectangle(200, 200, 100, 50), None))
    after = scene.read_pixels(WHOLE)
    assert np.array_equal(after[200:300, 200:250], photo[200:300, 200:250])
    assert (after[200:300, 250:300] == 7).all()
    scene.paint(Edit(Rectangle(0, 0, HEIGHT, WIDTH), None))
    assert np.array_equal(scene.read_pixels(WHOLE), photo)
    assert scene.snapshot().pixel_blocks() == []
    assert np.array_equal(scene.read_labels(WHOLE), scene.read_map(WHOLE))


def test_painting_back_asks_for_the_photo_again(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(300, 300, 20, 20), 2))
    scene.lay(proposal(scene, Window(300, 300, 20, 20)))
    scene.paint(Edit(Rectangle(300, 300, 20, 10), 4))
    scope = scene.scope()
    window = Window(300, 300, 20, 20)
    assert len(scope.areas) == 1
    assert scope.reverted(window)[:, :10].all()
    assert not scope.reverted(window)[:, 10:].any()
    assert scope.wanted(window)[:, 10:].all()


def test_areas_are_counted_and_measured(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(10, 10, 20, 20), 2))
    scene.paint(Edit(Rectangle(30, 30, 5, 5), 2))  # touches the first at a corner
    scene.paint(Edit(Polygon((((400.0, 400.0), (400.0, 440.0), (440.0, 400.0)),)), 3))
    areas = scene.areas()
    assert [area.pixels for area in areas] == [425, areas[1].pixels]
    assert areas[0].square_metres == pytest.approx(425 * 0.25)
    assert areas[0].window == Window(10, 10, 25, 25)


def test_proposal_of_an_undone_map_is_refused(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(10, 10, 20, 20), 2))
    rendered = proposal(scene, Window(10, 10, 20, 20))
    scene.undo()
    scene.paint(Edit(Rectangle(90, 10, 20, 20), 2))
    with pytest.raises(ProjectError, match="is gone"):
        scene.lay(rendered)


def test_import_as_edited_map_makes_areas(scene: Scene) -> None:
    wanted = start_map()
    wanted[400:420, 50:80] = 3
    run_inline(scene.import_map(blocks_of(wanted), {"source": "plan"}, edited=True))
    assert [area.window for area in scene.areas()] == [Window(400, 50, 20, 30)]


def test_later_original_map_hides_earlier_strokes(scene: Scene) -> None:
    scene.paint(Edit(Rectangle(10, 10, 20, 20), 2))
    fresh = np.full((HEIGHT, WIDTH), 5, np.uint8)
    run_inline(scene.import_map(blocks_of(fresh), {"source": "newer"}))
    assert (scene.read_labels(WHOLE) == 5).all()
    assert scene.areas() == ()
    scene.undo()
    assert scene.read_labels(Window(10, 10, 1, 1))[0, 0] == 2


def test_import_that_is_stopped_leaves_nothing(scene: Scene) -> None:
    head = scene.project.head
    job = scene.import_map(blocks_of(start_map() * 0), {"source": "x"})
    next(job)
    next(job)
    job.close()
    assert scene.project.head == head
    assert (scene.read_labels(WHOLE) == start_map()).all()


def test_reopened_project_is_the_same(scene: Scene, tmp_path: Path) -> None:
    scene.paint(Edit(Rectangle(200, 200, 100, 100), 2))
    scene.lay(proposal(scene, Window(200, 200, 100, 100)))
    labels, pixels, palette = scene.read_labels(WHOLE), scene.read_pixels(WHOLE), scene.palette
    scene.project.close()
    with Project.open(tmp_path / "p.cimgen") as project:
        again = Scene(project, scene.reader)
        assert np.array_equal(again.read_labels(WHOLE), labels)
        assert np.array_equal(again.read_pixels(WHOLE), pixels)
        assert again.palette == palette
        assert again.grid == scene.grid
        assert again.can_undo


def test_second_opener_is_told_who_holds_it(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="in use by CIMGen"):
        Project.open(tmp_path / "p.cimgen")
    with Project.open(tmp_path / "p.cimgen", read_only=True) as project:
        assert project.head == scene.project.head
        with pytest.raises(ProjectError, match="read-only"):
            Scene(project, scene.reader).paint(Edit(Rectangle(0, 0, 5, 5), 1))


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\x00" * 200])
def test_what_is_no_project_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.cimgen"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"x\.cimgen"):
        Project.open(path)
    assert path.read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.cimgen"]


def test_project_of_a_newer_program_opens_read_only(scene: Scene, tmp_path: Path) -> None:
    scene.project.close()
    with sqlite3.connect(tmp_path / "p.cimgen") as db:
        db.execute("UPDATE cimgen SET value = '99' WHERE key = 'version'")
    db.close()
    with pytest.raises(ProjectError, match="newer CIMGen"):
        Project.open(tmp_path / "p.cimgen")
    Project.open(tmp_path / "p.cimgen", read_only=True).close()


class AgainstAModel(RuleBasedStateMachine):
    """Any order of painting, restoring, undoing, redoing and reopening gives what a list of arrays gives."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        self.path = Path(self.place.name) / "m.cimgen"
        self.reader = MemoryReader(noise(300, 300))
        self.scene = project_over(self.path, self.reader, np.full((300, 300), 4, np.uint8))
        self.states = [np.full((300, 300), 4, np.uint8)]
        self.at = 0

    @rule(row=st.integers(-20, 300), col=st.integers(-20, 300), size=st.integers(1, 200), cls=st.integers(0, 5))
    def paint(self, row: int, col: int, size: int, cls: int) -> None:
        now = self.states[self.at].copy()
        now[max(0, row) : max(0, row + size), max(0, col) : max(0, col + size)] = 4 if cls == 0 else cls
        self.scene.paint(Edit(Rectangle(row, col, size, size), None if cls == 0 else cls))
        if not np.array_equal(now, self.states[self.at]):
            self.states = [*self.states[: self.at + 1], now]
            self.at += 1

    @precondition(lambda self: self.at > 0)
    @rule()
    def undo(self) -> None:
        self.scene.undo()
        self.at -= 1

    @rule()
    def redo(self) -> None:
        if self.at + 1 < len(self.states):
            self.scene.redo()
            self.at += 1
        else:
            assert self.scene.redo() is None

    @rule()
    def reopen(self) -> None:
        self.scene.project.close()
        self.scene = Scene(Project.open(self.path), self.reader)

    @invariant()
    def same(self) -> None:
        assert np.array_equal(self.scene.read_labels(Window(0, 0, 300, 300)), self.states[self.at])

    def teardown(self) -> None:
        self.scene.project.close()
        self.place.cleanup()


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
