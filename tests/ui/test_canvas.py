"""Painting, panning and zooming with a real mouse on a real raster."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimgen_qt.core.grid import Window
from cimgen_qt.core.shapes import stroke_mask
from cimgen_qt.raster.rasterio_io import RasterioReader
from cimgen_qt.ui.compat import Qt, QtCore, QtGui
from cimgen_qt.ui.tools.brush import BrushTool

LEFT = Qt.MouseButton.LeftButton


def point(window: Any, row: float, col: float) -> QtCore.QPoint:
    x, y = window.canvas.view.to_screen(row, col)
    return QtCore.QPoint(round(x), round(y))


def drag(qtbot: Any, canvas: Any, points: list[QtCore.QPoint], button: Any = LEFT, release: bool = True) -> None:
    qtbot.mouseMove(canvas, points[0])
    qtbot.mousePress(canvas, button, pos=points[0])
    for at in points[1:]:
        qtbot.mouseMove(canvas, at)
    if release:
        qtbot.mouseRelease(canvas, button, pos=points[-1])


def wheel(canvas: Any, at: QtCore.QPoint, notches: int) -> None:
    spot = QtCore.QPointF(at)
    event = QtGui.QWheelEvent(
        spot, canvas.mapToGlobal(spot), QtCore.QPoint(), QtCore.QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    canvas.wheelEvent(event)


def labels_of(window: Any) -> Any:
    scene = window.workbench.scene
    return scene.read_labels(scene.grid.window)


def test_a_stroke_changes_exactly_the_pixels_under_the_brush(qtbot: Any, window: Any) -> None:
    canvas = window.canvas
    canvas.set_scale(1.0)
    window.workbench.choices.set_pen(class_id=3, radius=9.0)
    points = [QtCore.QPoint(300 + 20 * i, 250 + 7 * i) for i in range(8)]
    pixels = [canvas.view.to_pixel(p.x(), p.y()) for p in points]
    before = labels_of(window)
    drag(qtbot, canvas, points)
    under = stroke_mask(pixels, 9.0, 9.0, "round", window.workbench.scene.grid.window)
    assert under.sum() > 2000
    assert np.array_equal(labels_of(window), np.where(under, 3, before))


def test_a_stroke_is_seen_before_the_button_is_released(qtbot: Any, window: Any) -> None:
    canvas = window.canvas
    window.workbench.choices.set_pen(class_id=3, radius=60.0)
    window.workbench.choices.set_layers(map_opacity=1.0)
    at = point(window, 1000, 1000)
    drag(qtbot, canvas, [at, at + QtCore.QPoint(40, 0)], release=False)
    colour = QtGui.QColor(canvas.grab().toImage().pixel(at + QtCore.QPoint(20, 3)))
    assert colour.blue() > colour.green() + 30, f"{colour.name()} is not water, where vegetation was"
    assert not window.workbench.scene.project.acts()[1:]
    qtbot.mouseRelease(canvas, LEFT, pos=at + QtCore.QPoint(40, 0))
    assert len(window.workbench.scene.project.acts()) == 2


def test_ctrl_z_takes_a_stroke_back_and_ctrl_y_brings_it_again(qtbot: Any, window: Any) -> None:
    before = labels_of(window)
    window.workbench.choices.set_pen(class_id=2)
    drag(qtbot, window.canvas, [point(window, 500, 500), point(window, 600, 700)])
    after = labels_of(window)
    assert (after != before).any()
    with qtbot.waitSignal(window.workbench.changed):
        qtbot.keyClick(window.canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(labels_of(window), before)
    with qtbot.waitSignal(window.workbench.changed):
        qtbot.keyClick(window.canvas, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(labels_of(window), after)


def test_esc_cancels_the_stroke_and_nothing_is_written(qtbot: Any, window: Any) -> None:
    before = labels_of(window)
    drag(qtbot, window.canvas, [point(window, 500, 500), point(window, 600, 700)], release=False)
    assert (labels_of(window) != before).any()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    qtbot.mouseRelease(window.canvas, LEFT, pos=point(window, 600, 700))
    assert np.array_equal(labels_of(window), before)
    assert len(window.workbench.scene.project.acts()) == 1


def test_the_eraser_brings_the_original_class_back(qtbot: Any, window: Any) -> None:
    before = labels_of(window)
    way = [point(window, 500, 500), point(window, 600, 700)]
    drag(qtbot, window.canvas, way)
    assert (labels_of(window) != before).any()
    qtbot.keyClick(window.canvas, Qt.Key.Key_E)
    window.workbench.choices.set_pen(radius=40)
    with qtbot.waitSignal(window.workbench.changed):
        drag(qtbot, window.canvas, way)
    assert np.array_equal(labels_of(window), before)


def test_rectangle_and_fill_paint_whole_ground(qtbot: Any, window: Any) -> None:
    canvas = window.canvas
    canvas.set_scale(1.0)
    window.workbench.choices.set_pen(class_id=1)
    qtbot.keyClick(canvas, Qt.Key.Key_R)
    one, other = QtCore.QPoint(200, 200), QtCore.QPoint(300, 260)
    with qtbot.waitSignal(window.workbench.changed):
        drag(qtbot, canvas, [one, other])
    assert 6000 <= (labels_of(window) == 1).sum() <= 61 * 101
    window.workbench.choices.set_pen(class_id=5)
    qtbot.keyClick(canvas, Qt.Key.Key_F)
    with qtbot.waitSignal(window.workbench.changed):
        drag(qtbot, canvas, [QtCore.QPoint(250, 230)])
    assert (labels_of(window) == 5).sum() >= 6000 and not (labels_of(window) == 1).any()


def test_a_polygon_ends_with_enter(qtbot: Any, window: Any) -> None:
    window.workbench.choices.set_pen(class_id=6)
    qtbot.keyClick(window.canvas, Qt.Key.Key_P)
    for corner in ((400, 400), (400, 900), (900, 900)):
        drag(qtbot, window.canvas, [point(window, *corner)])
    with qtbot.waitSignal(window.workbench.changed):
        qtbot.keyClick(window.canvas, Qt.Key.Key_Return)
    assert (labels_of(window) == 6).sum() == pytest.approx(500 * 500 / 2, rel=0.05)


def test_the_wheel_keeps_the_pixel_under_the_pointer(qtbot: Any, window: Any) -> None:
    canvas, at = window.canvas, QtCore.QPoint(333, 222)
    before = canvas.view.to_pixel(333, 222)
    scale = canvas.view.scale
    wheel(canvas, at, 3)
    assert canvas.view.scale > 1.5 * scale
    assert canvas.view.to_pixel(333, 222) == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("with_space", [False, True])
def test_middle_button_and_space_pan(qtbot: Any, window: Any, with_space: bool) -> None:
    canvas = window.canvas
    canvas.set_scale(1.0)
    before = canvas.view.to_pixel(400, 300)
    if with_space:
        qtbot.keyPress(canvas, Qt.Key.Key_Space)
    button = LEFT if with_space else Qt.MouseButton.MiddleButton
    drag(qtbot, canvas, [QtCore.QPoint(400, 300), QtCore.QPoint(450, 330)], button)
    assert canvas.view.to_pixel(450, 330) == pytest.approx(before)
    assert len(window.workbench.scene.project.acts()) == 1, "panning does not paint"


def test_the_photo_is_drawn_where_it_lies(qtbot: Any, window: Any, image: Path) -> None:
    import rasterio

    canvas = window.canvas
    window.workbench.choices.set_layers(map_shown=False)
    canvas.set_scale(1.0)
    canvas._smooth = False
    canvas.complete = False
    canvas.update()
    qtbot.waitUntil(lambda: canvas.complete)
    shot = canvas.grab().toImage()
    with rasterio.open(image) as source:
        for x, y in ((100, 100), (321, 123), (500, 456)):
            row, col = canvas.view.to_pixel(x + 0.5, y + 0.5)
            near = source.read(window=((int(row) - 1, int(row) + 2), (int(col) - 1, int(col) + 2)))
            seen = QtGui.QColor(shot.pixel(x, y)).getRgb()[:3]
            assert any(tuple(near[:, r, c]) == seen for r in range(3) for c in range(3)), (seen, near)


def test_photos_are_read_off_the_gui_thread_only(
    qtbot: Any, empty_window: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui = QtCore.QThread.currentThread()
    here: list[bool] = []
    read = RasterioReader._read

    def watched(self: RasterioReader, **options: Any) -> Any:
        here.append(QtCore.QThread.currentThread() is gui)
        return read(self, **options)

    monkeypatch.setattr(RasterioReader, "_read", watched)
    window = empty_window
    window.files.open_path(project)
    qtbot.waitUntil(lambda: window.workbench.areas is not None and window.canvas.complete, timeout=20000)
    drag(qtbot, window.canvas, [point(window, 500, 500), point(window, 600, 700)])
    window.canvas.set_scale(1.0)
    window.canvas.repaint()
    qtbot.waitUntil(lambda: window.canvas.complete, timeout=20000)
    assert len(here) > 5 and not any(here)


def test_alt_click_picks_the_class_and_x_goes_back(qtbot: Any, window: Any) -> None:
    choices = window.workbench.choices
    choices.choose_class(2)
    qtbot.mouseClick(window.canvas, LEFT, Qt.KeyboardModifier.AltModifier, point(window, 700, 700))
    assert choices.pen.class_id == 4
    qtbot.keyClick(window.canvas, Qt.Key.Key_X)
    assert choices.pen.class_id == 2


def test_the_status_line_tells_place_and_class(qtbot: Any, window: Any) -> None:
    window.canvas.set_scale(1.0)
    qtbot.mouseMove(window.canvas, QtCore.QPoint(210, 110))
    row, col = window.canvas.view.to_pixel(210, 110)
    line = window.statusBar()
    assert f"row {int(row)}, column {int(col)}" in line.place.text()
    assert f"x {458000 + 0.5 * col:.2f}" in line.place.text()
    assert line.class_name.text() == "vegetation"
    assert line.pixel.text() == "0.5 m/px" and line.zoom.text() == "100 %"


def test_the_stroke_costs_little_on_a_large_raster(window: Any) -> None:
    from time import perf_counter

    window.workbench.choices.set_pen(class_id=1, radius=10.0)
    window.workbench.painting.begin(1, 500.0, 500.0)
    times = []
    for step in range(60):
        started = perf_counter()
        window.workbench.painting.move(500.0 + step, 500.0 + 2 * step)
        times.append(perf_counter() - started)
    window.workbench.painting.cancel()
    assert sorted(times)[30] < 0.010
    assert np.array_equal(labels_of(window)[Window(0, 0, 9, 9).slices()], np.full((9, 9), 4))


def test_space_pans_after_a_class_was_chosen_in_the_list(qtbot: Any, window: Any) -> None:
    canvas, list_ = window.canvas, window.docks.panels["classes"].list
    canvas.set_scale(1.0)
    item = list_.visualItemRect(list_.topLevelItem(2)).center()
    qtbot.mouseClick(list_.viewport(), LEFT, pos=item)
    assert list_.hasFocus()
    spot = QtCore.QPointF(400, 300)
    QtCore.QCoreApplication.sendEvent(canvas, QtGui.QEnterEvent(spot, spot, canvas.mapToGlobal(spot)))
    before = canvas.view.to_pixel(400, 300)
    focus = window.focusWidget()
    qtbot.keyPress(focus, Qt.Key.Key_Space)
    drag(qtbot, canvas, [QtCore.QPoint(400, 300), QtCore.QPoint(450, 330)])
    qtbot.keyRelease(focus, Qt.Key.Key_Space)
    assert canvas.view.to_pixel(450, 330) == pytest.approx(before)
    assert len(window.workbench.scene.project.acts()) == 1, "panning does not paint"


def test_the_pointer_does_not_take_the_keys_from_someone_who_types(window: Any, qtbot: Any) -> None:
    from cimgen_qt.ui.options_bar import OptionsBar

    box = window.findChild(OptionsBar).size_box
    box.setFocus()
    qtbot.waitUntil(box.hasFocus)
    spot = QtCore.QPointF(400, 300)
    QtCore.QCoreApplication.sendEvent(window.canvas, QtGui.QEnterEvent(spot, spot, window.canvas.mapToGlobal(spot)))
    assert box.hasFocus()


def test_the_class_in_the_status_line_follows_an_undo(qtbot: Any, window: Any) -> None:
    window.workbench.choices.set_pen(class_id=2, radius=30.0)
    at = point(window, 700, 700)
    drag(qtbot, window.canvas, [at, at])
    assert window.statusBar().class_name.text() == "road"
    with qtbot.waitSignal(window.workbench.changed):
        window.workbench.undo()
    assert window.statusBar().class_name.text() == "vegetation"


def test_an_error_while_painting_does_not_end_the_program(qtbot: Any, window: Any) -> None:
    class Broken(BrushTool):
        def draw(self, *_: Any) -> None:
            raise ValueError("broken for the test")

    whole = window.canvas._tool
    window.canvas._tool = Broken(window.workbench)
    with qtbot.captureExceptions() as caught:
        window.canvas.grab()
    window.canvas._tool = whole
    assert "broken for the test" in str(caught[0][1])
    assert not window.canvas.grab().isNull()
