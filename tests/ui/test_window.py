"""Menus, panels, start page, files that come and go."""

from pathlib import Path
from typing import Any

import pytest

from cimgen_qt.paths import resources
from cimgen_qt.ui.compat import Qt, QtCore, QtWidgets


def test_the_empty_window_tells_the_four_steps(empty_window: Any) -> None:
    texts = [label.text() for label in empty_window.findChildren(QtWidgets.QLabel) if label.isVisible()]
    assert [word for word in ("Open image", "Map", "Paint", "Generate") if not any(word in t for t in texts)] == []
    assert "Open an image first" in empty_window.docks.panels["generate"].reason.text()


def test_the_title_has_the_name_of_the_project(window: Any) -> None:
    assert window.windowTitle().startswith("ground")


def test_digits_choose_classes_and_the_list_follows(qtbot: Any, window: Any) -> None:
    qtbot.keyClick(window, Qt.Key.Key_7)
    assert window.workbench.choices.pen.class_id == 7
    assert window.docks.panels["classes"].list.currentItem().text(0) == "paved"
    window.docks.panels["classes"].list.setCurrentItem(window.docks.panels["classes"].list.topLevelItem(2))
    assert window.workbench.choices.pen.class_id == 2


def test_brackets_change_the_size_of_the_brush(qtbot: Any, window: Any) -> None:
    before = window.workbench.choices.pen.radius
    qtbot.keyClick(window.canvas, Qt.Key.Key_BracketRight)
    larger = window.workbench.choices.pen.radius
    qtbot.keyClick(window.canvas, Qt.Key.Key_BracketLeft)
    assert larger > before > window.workbench.choices.pen.radius - 1


def test_the_brush_can_be_set_in_metres(window: Any) -> None:
    from cimgen_qt.ui.options_bar import OptionsBar

    bar = window.findChild(OptionsBar)
    bar.unit.setCurrentIndex(1)
    bar.size_box.setValue(30.0)
    assert window.workbench.choices.pen.radius == pytest.approx(30.0, rel=1e-3)  # 30 m over 0.5 m, halved


def test_h_hides_the_map_and_backslash_shows_the_original(qtbot: Any, window: Any) -> None:
    choices = window.workbench.choices
    qtbot.keyClick(window.canvas, Qt.Key.Key_H)
    assert not choices.layers.map_shown
    qtbot.keyPress(window.canvas, Qt.Key.Key_Backslash)
    assert choices.layers.original
    qtbot.keyRelease(window.canvas, Qt.Key.Key_Backslash)
    assert not choices.layers.original


def test_no_two_actions_share_a_key(empty_window: Any) -> None:
    keys = [key.toString() for action in empty_window.actions() for key in action.shortcuts()]
    assert sorted(set(keys)) == sorted(keys)


def test_buttons_without_text_have_a_name_for_screen_readers(window: Any) -> None:
    nameless = [
        button
        for button in window.findChildren(QtWidgets.QToolButton)
        if button.isVisible() and not button.text() and not button.accessibleName() and not button.toolTip()
        and not button.objectName().startswith("qt_")
    ]  # fmt: skip
    assert nameless == []


def test_a_missing_image_is_told_in_the_message_bar(qtbot: Any, empty_window: Any, project: Path, image: Path) -> None:
    gone = image.with_suffix(".gone")
    image.rename(gone)
    try:
        empty_window.files.open_path(project)
        qtbot.waitUntil(empty_window.messages.isVisible, timeout=5000)
        assert "not where it was" in empty_window.messages.text and "relink" in empty_window.messages.text
    finally:
        gone.rename(image)


def test_an_opened_project_is_remembered(window: Any, project: Path) -> None:
    from cimgen_qt.ui.recent import recent

    assert recent()[0] == str(project)


def test_a_dropped_project_is_opened(qtbot: Any, empty_window: Any, project: Path) -> None:
    from cimgen_qt.ui.compat import QtGui

    data = QtCore.QMimeData()
    data.setUrls([QtCore.QUrl.fromLocalFile(str(project))])
    action = Qt.DropAction.CopyAction
    event = QtGui.QDropEvent(
        QtCore.QPointF(9, 9), action, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    with qtbot.waitSignal(empty_window.workbench.project_changed, timeout=5000):
        empty_window.dropEvent(event)
    assert empty_window.workbench.path == project


def test_the_project_is_free_again_when_the_window_is_closed(qtbot: Any, window: Any, project: Path) -> None:
    from cimgen_qt.core.project import Project

    window.close()
    Project.open(project).close()


def test_the_sample_opens_with_its_map(qtbot: Any, empty_window: Any) -> None:
    assert (resources() / "samples" / "village.tif").is_file()
    with qtbot.waitSignal(empty_window.workbench.project_changed, timeout=30000):
        empty_window.actions_["sample"].trigger()
    qtbot.waitUntil(lambda: empty_window.canvas.complete, timeout=10000)
    assert empty_window.canvas.class_at(325, 346) == 1


def test_quitting_with_a_proposal_asks(qtbot: Any, window: Any) -> None:
    from cimgen_qt.ui.proposal import Proposal

    window.workbench.generation.proposal = Proposal()
    asked: list[str] = []

    def answer() -> None:
        box = QtWidgets.QApplication.activeModalWidget()
        asked.append(box.text())
        box.reject()

    QtCore.QTimer.singleShot(200, answer)
    assert not window.close()
    assert "proposal" in asked[0] and window.isVisible()


def test_what_nobody_caught_is_told_and_the_program_goes_on(window: Any) -> None:
    from cimgen_qt.ui.app import LastResort

    error = ValueError("a fault for the test")
    LastResort(window)(ValueError, error, None)
    assert "a fault for the test" in window.messages.text and "saved" in window.messages.text


def test_a_screenshot_shows_the_project(qtbot: Any, project: Path, tmp_path: Path) -> None:
    from cimgen_qt.ui.app import screenshot
    from cimgen_qt.ui.compat import QtGui

    screenshot(project, tmp_path / "shot.png", (900, 700))
    image = QtGui.QImage(str(tmp_path / "shot.png"))
    assert (image.width(), image.height()) == (900, 700)
    colours = {image.pixel(x, y) for x in range(200, 500, 7) for y in range(200, 500, 7)}
    assert len(colours) > 100


def test_a_short_message_takes_one_line(window: Any) -> None:
    window.messages.show_message("no example of class 'water' in this scene: an invented tone is used instead of it")
    one = window.messages.height()
    window.messages.show_message("\n".join(["One line."] * 4))
    assert one < 2.6 * window.messages.fontMetrics().height() < window.messages.height()
