"""The window: puts canvas, panels, bars and actions together, and asks before anything is lost."""

from __future__ import annotations

from pathlib import Path

from cimgen_qt.paths import resources
from cimgen_qt.ui.actions import Actions
from cimgen_qt.ui.canvas import Canvas
from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, tr
from cimgen_qt.ui.dialogs import IMAGES, ExportDialog, NewDialog, free_name
from cimgen_qt.ui.help import show_about, show_first_steps, show_shortcuts
from cimgen_qt.ui.job_strip import JobStrip
from cimgen_qt.ui.notify import MessageBar
from cimgen_qt.ui.options_bar import OptionsBar
from cimgen_qt.ui.panels.classes import ClassesPanel
from cimgen_qt.ui.panels.generate import GeneratePanel
from cimgen_qt.ui.recent import RecentMenu
from cimgen_qt.ui.start_page import StartPage
from cimgen_qt.ui.status import StatusLine
from cimgen_qt.ui.tools import BrushTool, FillTool, PolygonTool, RectangleTool, Tool
from cimgen_qt.ui.workbench import Workbench

PROJECT = ".cimgen"


class MainWindow(QtWidgets.QMainWindow):
    """One project at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.workbench = Workbench(self)
        self.actions_ = Actions(self)
        self.canvas = Canvas(self.workbench, self)
        self._pages = QtWidgets.QStackedWidget(self)
        self.messages = MessageBar(self._pages)
        self.generate_panel = GeneratePanel(self.workbench, self)
        self.classes_panel = ClassesPanel(self.workbench, self)
        self._recent = RecentMenu(self)
        self._recent.chosen.connect(self.open_path)
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
        self._dock(tr("Classes"), self.classes_panel)
        self._dock(tr("Generate"), self.generate_panel)
        tools = QtWidgets.QToolBar(tr("Tools"), self)
        tools.setObjectName("tools")
        tools.setIconSize(QtCore.QSize(22, 22))
        for name in ("brush", "eraser", "rectangle", "polygon", "fill", "", "undo", "redo", "", "fit", "hide_map"):
            if name:
                tools.addAction(self.actions_[name])
            else:
                tools.addSeparator()
        for button in tools.findChildren(QtWidgets.QToolButton):
            button.setAccessibleName(button.text().replace("&", ""))
        self.addToolBar(Qt.ToolBarArea.LeftToolBarArea, tools)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, OptionsBar(self.workbench, self))
        self.setStatusBar(StatusLine(self.workbench, self.canvas, self))
        bar = self.menuBar()
        if bar is not None:
            self.actions_.fill_menus(bar, self._recent)

    def _dock(self, title: str, panel: QtWidgets.QWidget) -> None:
        dock = QtWidgets.QDockWidget(title, self)
        dock.setObjectName(title)
        dock.setFeatures(
            QtWidgets.QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QtWidgets.QDockWidget.DockWidgetFeature.DockWidgetFloatable
        )
        dock.setWidget(panel)
        dock.setMinimumWidth(250)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)

    def _make_digits(self) -> list[QtGui.QShortcut]:
        shortcuts = []
        for digit in "0123456789":
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(digit), self)
            shortcut.activated.connect(lambda digit=digit: self._on_digit(digit))
            shortcuts.append(shortcut)
        return shortcuts

    def _connect(self) -> None:
        workbench, canvas, choices = self.workbench, self.canvas, self.workbench.choices
        self.actions_.connect(
            {
                "new": self._on_new, "open": self._on_open, "sample": self._on_sample, "export": self._on_export,
                "quit": self.close, "undo": workbench.undo, "redo": workbench.redo,
                "last_class": choices.swap_classes,
                "smaller": lambda: choices.resize(up=False), "larger": lambda: choices.resize(up=True),
                "brush": lambda: self.use(BrushTool(workbench)),
                "eraser": lambda: self.use(BrushTool(workbench, restore=True)),
                "rectangle": lambda: self.use(RectangleTool(workbench)),
                "polygon": lambda: self.use(PolygonTool(workbench)),
                "fill": lambda: self.use(FillTool(workbench)),
                "fit": canvas.fit, "actual": lambda: canvas.set_scale(1.0 / canvas.devicePixelRatioF()),
                "nearer": lambda: canvas.zoom(1.5), "farther": lambda: canvas.zoom(1 / 1.5),
                "hide_map": self._on_hide_map, "generate": workbench.generate, "cancel": workbench.cancel_job,
                "accept": workbench.accept, "discard": workbench.discard, "again": workbench.try_again,
                "help": lambda: show_first_steps(self), "about": lambda: show_about(self),
                "shortcuts": lambda: show_shortcuts(self, self.actions_.keys()),
            }
        )  # fmt: skip
        self.actions_["brush"].setChecked(True)
        canvas.addActions([self.actions_["accept"], self.actions_["discard"]])
        for button in (self.generate_panel.button, self.generate_panel.again):
            button.clicked.connect(lambda _=False: canvas.setFocus())  # else Enter would not accept what comes
        workbench.told.connect(self.messages.show_message)
        workbench.project_changed.connect(self._on_project)
        for signal in (workbench.activity_changed, workbench.areas_changed, workbench.changed):
            signal.connect(self._refresh)
        workbench.proposal_changed.connect(self._refresh)

    def use(self, tool: Tool) -> None:
        """From now on the left button is this tool."""
        self.canvas.set_tool(tool)
        self.canvas.setFocus()

    # --- projects ------------------------------------------------------------------------------------------------

    def open_path(self, path: Path) -> None:
        """A project is opened; from an image a new one is made."""
        if path.suffix.lower() == PROJECT:
            if self._may_leave(tr("Open another project")):
                self.workbench.open(path)
        else:
            self._ask_new(path)

    def start_with(self, path: Path) -> None:
        """The same, as the command line asks for it: an image needs no form."""
        if path.suffix.lower() == PROJECT:
            self.workbench.open(path)
        else:
            self.workbench.new({"project": str(free_name(path.stem)), "image": str(path)})

    def _on_new(self) -> None:
        self._ask_new(None)

    def _ask_new(self, image: Path | None) -> None:
        if not self._may_leave(tr("Make another project")):
            return
        dialog = NewDialog(image, self)
        if dialog.exec() == QtWidgets.QDialog.DialogCode.Accepted:
            self.workbench.new(dialog.request())
        dialog.deleteLater()

    def _on_open(self) -> None:
        pattern = tr("Projects and images") + f" (*{PROJECT} *.tif *.tiff);;CIMGen (*{PROJECT});;{IMAGES}"
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(self, tr("Open"), "", pattern)
        if chosen:
            self.open_path(Path(chosen))

    def _on_sample(self) -> None:
        folder = resources() / "samples"
        if self._may_leave(tr("Open the sample")):
            request = {"project": str(free_name("village")), "image": str(folder / "village.tif")}
            self.workbench.new({**request, "map": {"path": str(folder / "village_map.tif")}})

    def _on_export(self) -> None:
        if self._may_leave(tr("Export without it")):
            dialog = ExportDialog(self.workbench, self)
            dialog.exec()
            dialog.deleteLater()

    def _on_project(self) -> None:
        path = self.workbench.path
        self._pages.setCurrentIndex(int(path is not None))
        if path is not None:
            self._recent.add(path)
            self.canvas.setFocus()
        self._refresh()

    def _may_leave(self, what: str) -> bool:
        """Asks where a proposal would be lost or left out."""
        if self.workbench.proposal is None:
            return True
        text = tr("There is a proposal that was neither accepted nor discarded.")
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon.Question, what, text, buttons.Cancel, self)
        go = box.addButton(what, QtWidgets.QMessageBox.ButtonRole.DestructiveRole)
        box.exec()
        return box.clickedButton() is go

    # --- small slots ---------------------------------------------------------------------------------------------

    def _on_digit(self, digit: str) -> None:
        scene = self.workbench.scene
        for known in scene.palette if scene is not None else ():
            if known.key == digit:
                self.workbench.choices.choose_class(known.id)

    def _on_hide_map(self) -> None:
        self.workbench.choices.set_layers(map_shown=not self.actions_["hide_map"].isChecked())

    def _refresh(self, *_: object) -> None:
        workbench = self.workbench
        scene, proposal = workbench.scene, workbench.proposal
        ready = proposal is not None and proposal.rendered is not None
        self.actions_.enable({"scene": scene is not None, "proposal": ready, "job": bool(workbench.job)})
        if scene is not None:
            self.actions_["undo"].setEnabled(scene.can_undo)
            self.actions_["redo"].setEnabled(scene.can_redo)
            self.actions_["generate"].setEnabled(bool(workbench.areas) and not workbench.job)
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
            self.open_path(path)

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        if event is None:
            return
        if not self._may_leave(tr("Quit")):
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
