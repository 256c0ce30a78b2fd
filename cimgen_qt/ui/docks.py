"""The panels of the window: one line a panel; the View menu shows and hides them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cimgen_qt.ui.compat import QAction, Qt, QtWidgets, later, tr
from cimgen_qt.ui.panels.classes import ClassesPanel
from cimgen_qt.ui.panels.generate import GeneratePanel
from cimgen_qt.ui.workbench import Workbench

NARROWEST = 250


@dataclass(frozen=True, slots=True)
class Panel:
    """`shown`: from the start. The others lie behind it as tabs once the user opens them."""

    name: str
    title: str
    make: Callable[[Workbench, QtWidgets.QWidget | None], QtWidgets.QWidget]
    shown: bool = False


PANELS = (
    Panel("classes", later("Classes"), ClassesPanel, shown=True),
    Panel("generate", later("Generate"), GeneratePanel, shown=True),
)


class Docks:
    """Makes every panel, and a dock for each."""

    def __init__(self, window: QtWidgets.QMainWindow, workbench: Workbench) -> None:
        self.panels: dict[str, QtWidgets.QWidget] = {}
        self._docks: dict[str, QtWidgets.QDockWidget] = {}
        for panel in PANELS:
            dock = QtWidgets.QDockWidget(tr(panel.title), window)
            dock.setObjectName(panel.name)
            self.panels[panel.name] = panel.make(workbench, window)
            dock.setWidget(self.panels[panel.name])
            dock.setMinimumWidth(NARROWEST)
            window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
            dock.setVisible(panel.shown)
            self._docks[panel.name] = dock
        below = self._docks["generate"]
        for panel in PANELS:
            if not panel.shown:
                window.tabifyDockWidget(below, self._docks[panel.name])
        below.raise_()

    def actions(self) -> list[QAction]:
        """Show and hide, one a panel."""
        found = [dock.toggleViewAction() for dock in self._docks.values()]
        return [action for action in found if action is not None]

    def show(self, name: str) -> None:
        """To the front."""
        self._docks[name].show()
        self._docks[name].raise_()
