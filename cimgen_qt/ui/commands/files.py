"""The File menu: projects come and go, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

from cimgen_qt.paths import resources
from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import QtCore, QtWidgets, later, tr
from cimgen_qt.ui.dialogs import IMAGES, ExportDialog, NewDialog, free_name
from cimgen_qt.ui.workbench import Workbench

PROJECT = ".cimgen"

WORDS = (
    Word("new", later("&New from image…"), ("Ctrl+N",), "image", ""),
    Word("open", later("&Open project…"), ("Ctrl+O",), "open", ""),
    Word("sample", later("Open the &sample"), (), "", ""),
    Word("export", later("&Export…"), ("Ctrl+E",), "export"),
    Word("quit", later("&Quit"), ("Ctrl+Q",), "", ""),
)
MENU = ("new", "open", "recent", "sample", "", "export", "", "quit")


class Files(QtCore.QObject):
    """Asks over `window`."""

    def __init__(self, workbench: Workbench, window: QtWidgets.QMainWindow) -> None:
        super().__init__(window)
        self.workbench, self._window = workbench, window

    def slots(self) -> Slots:
        """What the actions do."""
        return {
            "new": lambda: self._ask_new(None),
            "open": self._on_open,
            "sample": self._on_sample,
            "export": self._on_export,
            "quit": self._window.close,
        }

    def open_path(self, path: Path) -> None:
        """A project is opened; from an image a new one is made."""
        if path.suffix.lower() == PROJECT:
            if self.may_leave(tr("Open another project")):
                self.workbench.open(path)
        else:
            self._ask_new(path)

    def start_with(self, path: Path) -> None:
        """The same, as the command line asks for it: an image needs no form."""
        if path.suffix.lower() == PROJECT:
            self.workbench.open(path)
        else:
            self.workbench.new({"project": str(free_name(path.stem)), "image": str(path)})

    def _ask_new(self, image: Path | None) -> None:
        if not self.may_leave(tr("Make another project")):
            return
        dialog = NewDialog(image, self._window)
        if dialog.exec() == QtWidgets.QDialog.DialogCode.Accepted:
            self.workbench.new(dialog.request())
        dialog.deleteLater()

    def _on_open(self) -> None:
        pattern = tr("Projects and images") + f" (*{PROJECT} *.tif *.tiff);;CIMGen (*{PROJECT});;{IMAGES}"
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(self._window, tr("Open"), "", pattern)
        if chosen:
            self.open_path(Path(chosen))

    def _on_sample(self) -> None:
        folder = resources() / "samples"
        if self.may_leave(tr("Open the sample")):
            request = {"project": str(free_name("village")), "image": str(folder / "village.tif")}
            self.workbench.new({**request, "map": {"path": str(folder / "village_map.tif")}})

    def _on_export(self) -> None:
        if self.may_leave(tr("Export without it")):
            dialog = ExportDialog(self.workbench, self._window)
            dialog.exec()
            dialog.deleteLater()

    def may_leave(self, what: str) -> bool:
        """Asks where a proposal would be lost or left out."""
        if self.workbench.proposal is None:
            return True
        text = tr("There is a proposal that was neither accepted nor discarded.")
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon.Question, what, text, buttons.Cancel, self._window)
        go = box.addButton(what, QtWidgets.QMessageBox.ButtonRole.DestructiveRole)
        box.exec()
        return box.clickedButton() is go
