"""The window: puts canvas, panels, bars and actions together."""

from __future__ import annotations

from pathlib import Path

from cimgen_qt.ui.actions import Actions
from cimgen_qt.ui.canvas import Canvas
from cimgen_qt.ui.commands import edit, generate, tools, view
from cimgen_qt.ui.commands import help as help_
from cimgen_qt.ui.commands.files import PROJECT, Files
from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, tr
from cimgen_qt.ui.docks import Docks
from cimgen_qt.ui.job_strip import JobStrip
from cimgen_qt.ui.notify import MessageBar
from cimgen_qt.ui.options_bar import OptionsBar
from cimgen_qt.ui.overlays.badge import Badge
from cimgen_qt.ui.recent import RecentMenu
from cimgen_qt.ui.start_page import StartPage
from cimgen_qt.ui.status import StatusLine
from cimgen_qt.ui.workbench import Workbench

_TOOLBAR = ("brush", "eraser", "rectangle", "polygon", "fill", "", "undo", "redo", "", "fit", "hide_map")


class MainWindow(QtWidgets.QMainWindow):
    """One project at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.workbench = Workbench(self)
        self.actions_ = Actions(self)
        self.canvas = Canvas(self.workbench, self)
        self.canvas.overlays = [Badge(self.workbench)]
        self.files = Files(self.workbench, self)
        self.docks = Docks(self, self.workbench)
        self._pages = QtWidgets.QStackedWidget(self)
        self.messages = MessageBar(self._pages)
        self._recent = RecentMenu(self)
        self._recent.chosen.connect(self.files.open_path)
        self._digits = self._make_digits()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.resize(1280, 800)
        self._refresh()

    # --- putting together ----------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._pages.addWidget(StartPage(self.actions_, self))
        self._pages.addWidget(self.canvas)
        middle = QtWidgets.QWidget(self)
        column = QtWidgets.QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._pages, 1)
        column.addWidget(JobStrip(self.workbench, self))
        self.setCentralWidget(middle)
        self.addToolBar(Qt.ToolBarArea.LeftToolBarArea, self._make_toolbar())
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, OptionsBar(self.workbench, self))
        self.setStatusBar(StatusLine(self.workbench, self.canvas, self))
        panels = QtWidgets.QMenu(tr("&Panels"), self)
        panels.addActions(self.docks.actions())
        bar = self.menuBar()
        if bar is not None:
            self.actions_.fill_menus(bar, {"recent": self._recent, "panels": panels})

    def _make_toolbar(self) -> QtWidgets.QToolBar:
        bar = QtWidgets.QToolBar(tr("Tools"), self)
        bar.setObjectName("tools")
        bar.setIconSize(QtCore.QSize(22, 22))
        for name in _TOOLBAR:
            if name:
                bar.addAction(self.actions_[name])
            else:
                bar.addSeparator()
        for button in bar.findChildren(QtWidgets.QToolButton):
            button.setAccessibleName(button.text().replace("&", ""))
        return bar

    def _make_digits(self) -> list[QtGui.QShortcut]:
        shortcuts = []
        for digit in "0123456789":
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(digit), self)
            shortcut.activated.connect(lambda digit=digit: self._on_digit(digit))
            shortcuts.append(shortcut)
        return shortcuts

    def _connect(self) -> None:
        workbench, canvas = self.workbench, self.canvas
        for slots in (
            self.files.slots(),
            edit.slots(workbench),
            tools.slots(workbench, canvas),
            view.slots(workbench, canvas),
            generate.slots(workbench),
            help_.slots(self, self.actions_.keys),
        ):
            self.actions_.connect(slots)
        self.actions_["brush"].setChecked(True)
        canvas.addActions([self.actions_["accept"], self.actions_["discard"]])
        workbench.told.connect(self.messages.show_message)
        workbench.project_changed.connect(self._on_project)
        workbench.generation_began.connect(canvas.setFocus)  # else Enter would not accept what comes
        for signal in (workbench.activity_changed, workbench.areas_changed, workbench.changed):
            signal.connect(self._refresh)
        workbench.proposal_changed.connect(self._refresh)
        workbench.choices.layers_changed.connect(self._refresh)

    # --- slots ---------------------------------------------------------------------------------------------------

    def _on_project(self) -> None:
        path = self.workbench.path
        self._pages.setCurrentIndex(int(path is not None))
        if path is not None:
            self._recent.add(path)
            self.canvas.setFocus()
        self._refresh()

    def _on_digit(self, digit: str) -> None:
        scene = self.workbench.scene
        for known in scene.palette if scene is not None else ():
            if known.key == digit:
                self.workbench.choices.choose_class(known.id)

    def _refresh(self, *_: object) -> None:
        workbench = self.workbench
        scene, proposal = workbench.scene, workbench.proposal
        ready = proposal is not None and proposal.rendered is not None
        self.actions_.enable({"scene": scene is not None, "proposal": ready, "job": bool(workbench.job)})
        if scene is not None:
            self.actions_["undo"].setEnabled(scene.can_undo)
            self.actions_["redo"].setEnabled(scene.can_redo)
            self.actions_["generate"].setEnabled(bool(workbench.areas) and not workbench.job)
        self.actions_["hide_map"].setChecked(not workbench.choices.layers.map_shown)
        path = workbench.path
        self.setWindowTitle("CIMGen" if path is None else f"{path.stem}[*] - CIMGen")
        self.setWindowModified(proposal is not None)

    # --- dropping and closing ------------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QtGui.QDragEnterEvent | None) -> None:
        if event is not None and _dropped(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QtGui.QDropEvent | None) -> None:
        path = _dropped(event.mimeData()) if event is not None else None
        if path is not None:
            self.files.open_path(path)

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        if event is None:
            return
        if not self.files.may_leave(tr("Quit")):
            event.ignore()
            return
        self.canvas.close_tiles()
        self.workbench.close()
        event.accept()


def _dropped(data: QtCore.QMimeData | None) -> Path | None:
    """The file that is dropped, if it is one that can be opened."""
    urls = data.urls() if data is not None else []
    path = Path(urls[0].toLocalFile()) if urls and urls[0].isLocalFile() else None
    known = (PROJECT, ".tif", ".tiff", ".png", ".jpg", ".jpeg")
    return path if path is not None and path.suffix.lower() in known else None
