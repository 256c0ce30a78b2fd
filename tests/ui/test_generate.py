"""From a painted map to accepted pixels, through the window and the real worker process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.grid import Window
from cimgen_qt.ui.compat import Qt

AREA = Window(300, 400, 60, 80)
CTRL = Qt.KeyboardModifier.ControlModifier


def paint(qtbot: Any, window: Any, area: Window = AREA, class_id: int = 3) -> None:
    with qtbot.waitSignal(window.workbench.areas_changed, timeout=10000):
        window.workbench.painting.paint(Edit(Rectangle(area.row, area.col, area.height, area.width), class_id))


def settle(qtbot: Any, canvas: Any) -> None:
    """Until every tile is drawn, and drawn smooth."""
    canvas.update()
    qtbot.waitUntil(lambda: canvas.complete and canvas._smooth, timeout=20000)


def propose(qtbot: Any, window: Any) -> None:
    workbench = window.workbench
    workbench.choices.set_recipe(model="flat")
    qtbot.keyClick(window.canvas, Qt.Key.Key_Return, CTRL)
    assert workbench.job == "render"
    qtbot.waitUntil(lambda: not workbench.job, timeout=60000)
    assert workbench.proposal is not None, window.messages.text


def test_the_button_says_what_it_will_do_or_why_it_cannot(qtbot: Any, window: Any) -> None:
    panel = window.docks.panels["generate"]
    assert not panel.button.isEnabled() and "Paint first" in panel.reason.text()
    paint(qtbot, window)
    assert panel.button.isEnabled() and panel.button.text() == "Generate 1 area, 0.12 ha"
    assert "1 area, 0.12 ha" in window.statusBar().areas.text()


def test_a_proposal_is_shown_but_not_applied_until_enter(qtbot: Any, window: Any, image: Path) -> None:
    paint(qtbot, window)
    propose(qtbot, window)
    scene, head = window.workbench.scene, window.workbench.scene.project.head
    photo = scene.snapshot().read_photo(AREA.padded(30))
    assert np.array_equal(scene.read_pixels(AREA.padded(30)), photo)
    assert window.isWindowModified()
    assert window.docks.panels["generate"].accept.isVisible()
    with qtbot.waitSignal(window.workbench.changed, timeout=10000):
        qtbot.keyClick(window.canvas, Qt.Key.Key_Return)
    assert scene.project.head == head + 1
    different = (scene.read_pixels(AREA.padded(30)) != photo).any(axis=2)
    inside = np.zeros(different.shape, bool)
    inside[30:-30, 30:-30] = True
    assert different[inside].mean() > 0.9 and not different[~inside].any()
    assert window.workbench.proposal is None
    qtbot.waitUntil(lambda: window.workbench.areas == (), timeout=10000)


def test_a_proposal_is_drawn_on_the_canvas(qtbot: Any, window: Any) -> None:
    canvas = window.canvas
    window.workbench.choices.set_layers(map_shown=False)
    paint(qtbot, window, Window(800, 800, 400, 400))
    settle(qtbot, canvas)
    before = canvas.grab().toImage()
    propose(qtbot, window)
    settle(qtbot, canvas)
    after = canvas.grab().toImage()
    x, y = canvas.view.to_screen(1000, 1000)
    assert before.pixel(round(x), round(y)) != after.pixel(round(x), round(y))
    window.workbench.choices.set_layers(original=True)
    settle(qtbot, canvas)
    assert canvas.grab().toImage().pixel(round(x), round(y)) == before.pixel(round(x), round(y))


def test_delete_drops_the_proposal_and_leaves_no_trace(qtbot: Any, window: Any) -> None:
    paint(qtbot, window)
    propose(qtbot, window)
    acts = window.workbench.scene.project.acts()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Delete)
    assert window.workbench.proposal is None
    assert window.workbench.scene.project.acts() == acts


def test_try_again_takes_the_next_seed(qtbot: Any, window: Any) -> None:
    paint(qtbot, window)
    propose(qtbot, window)
    window.docks.panels["generate"].again.click()
    qtbot.waitUntil(lambda: not window.workbench.job, timeout=60000)
    assert window.workbench.proposal.rendered.seed == 1
    assert window.docks.panels["generate"].seed.value() == 1


def test_cancel_stands_where_generate_was_and_stops_the_job(qtbot: Any, window: Any) -> None:
    paint(qtbot, window, Window(0, 0, 2300, 2100))
    window.workbench.choices.set_recipe(model="exemplar")
    panel = window.docks.panels["generate"]
    place = panel.button.pos()
    panel.button.click()
    assert panel.cancel.isVisible() and not panel.button.isVisible()
    qtbot.waitUntil(lambda: panel.cancel.pos() == place)
    panel.cancel.click()
    qtbot.waitUntil(lambda: not window.workbench.job, timeout=15000)
    assert window.workbench.proposal is None and panel.button.isVisible()


def test_an_error_goes_to_the_message_bar_with_its_hint(qtbot: Any, window: Any) -> None:
    paint(qtbot, window)
    window.workbench.choices.set_recipe(model="no such model")
    window.workbench.generation.generate()
    qtbot.waitUntil(lambda: not window.workbench.job, timeout=30000)
    assert window.messages.isVisible() and "\n" in window.messages.text
    assert window.workbench.proposal is None


@pytest.mark.parametrize("profile", ["same"])
def test_export_writes_a_file_and_shows_its_proof(qtbot: Any, window: Any, tmp_path: Path, profile: str) -> None:
    from cimgen_qt.ui.dialogs import ExportDialog

    paint(qtbot, window)
    propose(qtbot, window)
    with qtbot.waitSignal(window.workbench.changed, timeout=10000):
        window.workbench.generation.accept()
    dialog = ExportDialog(window.workbench, window)
    qtbot.addWidget(dialog)
    dialog.show()
    target = tmp_path / "out" / "ground_edited.tif"
    target.parent.mkdir()
    dialog.target.line.setText(str(target))
    dialog.profile.setCurrentIndex(dialog.profile.findData(profile))
    with qtbot.waitSignal(window.workbench.exported, timeout=60000):
        dialog._on_export()
    assert target.is_file()
    assert "0 of 4825200 pixels outside the change differ" in dialog.said.text(), dialog.said.text()


def test_return_in_the_seed_box_ends_typing_and_accepts_nothing(qtbot: Any, window: Any) -> None:
    paint(qtbot, window)
    propose(qtbot, window)
    acts = window.workbench.scene.project.acts()
    seed = window.docks.panels["generate"].seed
    seed.setFocus()
    qtbot.waitUntil(seed.hasFocus)
    seed.selectAll()
    qtbot.keyClicks(seed, "17")
    qtbot.keyClick(seed, Qt.Key.Key_Return)
    qtbot.wait(100)
    assert seed.value() == 17
    assert window.workbench.proposal is not None and window.workbench.scene.project.acts() == acts


def test_enter_accepts_what_the_button_in_the_panel_began(qtbot: Any, window: Any) -> None:
    from cimgen_qt.ui.compat import QtWidgets

    paint(qtbot, window)
    window.workbench.choices.set_recipe(model="flat")
    window.docks.panels["generate"].seed.setFocus()
    qtbot.mouseClick(window.docks.panels["generate"].button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.workbench.job, timeout=60000)
    with qtbot.waitSignal(window.workbench.changed, timeout=10000):
        qtbot.keyClick(QtWidgets.QApplication.focusWidget(), Qt.Key.Key_Return)
    assert window.workbench.proposal is None


def test_every_warning_stays_with_the_proposal(qtbot: Any, window: Any) -> None:
    paint(qtbot, window, class_id=3)
    paint(qtbot, window, Window(900, 900, 60, 60), class_id=5)
    window.workbench.choices.set_recipe(model="exemplar")
    size = window.canvas.size()
    window.workbench.generation.generate()
    qtbot.waitUntil(lambda: not window.workbench.job, timeout=60000)
    qtbot.wait(100)
    assert window.canvas.size() == size, "a long text does not push the image aside"
    warnings = window.workbench.proposal.rendered.warnings
    assert len(warnings) == 2, warnings
    for warning in warnings:
        assert warning in window.messages.text and warning in window.docks.panels["generate"].reason.text()


def test_export_asks_before_it_replaces_and_is_not_put_beside_the_source(
    qtbot: Any, window: Any, image: Path, tmp_path: Path
) -> None:
    from cimgen_qt.ui.compat import QtCore, QtWidgets
    from cimgen_qt.ui.dialogs import ExportDialog

    paint(qtbot, window)
    propose(qtbot, window)
    with qtbot.waitSignal(window.workbench.changed, timeout=10000):
        window.workbench.generation.accept()
    dialog = ExportDialog(window.workbench, window)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.target.path().parent == window.workbench.path.parent != image.parent
    target = tmp_path / "there.tif"
    target.write_bytes(b"another file")
    dialog.target.line.setText(str(target))

    def answer(role: Any) -> None:
        box = QtWidgets.QApplication.activeModalWidget()
        next(button for button in box.buttons() if box.buttonRole(button) == role).click()

    roles = QtWidgets.QMessageBox.ButtonRole
    QtCore.QTimer.singleShot(200, lambda: answer(roles.RejectRole))
    dialog._on_export()
    assert target.read_bytes() == b"another file" and not window.workbench.job
    QtCore.QTimer.singleShot(200, lambda: answer(roles.DestructiveRole))
    with qtbot.waitSignal(window.workbench.exported, timeout=60000):
        dialog._on_export()
    assert target.stat().st_size > 100_000
