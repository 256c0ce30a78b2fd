"""The fill."""

from __future__ import annotations

import math

from cimgen_qt.core.edits import Edit, Fill
from cimgen_qt.core.grid import Window
from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import QtGui, tr
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench


class FillTool:
    """Gives the connected ground of one class under the pointer the chosen class."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench

    def press(self, at: Point, view: View) -> None:
        scene = self._workbench.scene
        row, col = math.floor(at[0]), math.floor(at[1])
        if scene is None or not scene.grid.window.contains(Window(row, col, 1, 1)):
            self._workbench.told.emit(tr("That point lies outside the image."), tr("Point inside the image."), False)
            return
        self._workbench.painting.paint(Edit(Fill(row, col), self._workbench.choices.pen.class_id))

    def move(self, at: Point) -> None:
        """A fill is done with the press."""

    def release(self, at: Point) -> None:
        """A fill is done with the press."""

    def cancel(self) -> bool:
        return False

    def claims(self, key: int) -> bool:
        return False

    def finish(self) -> None:
        """A fill is done with the press."""

    def extent(self, view: View) -> float | None:
        return 4

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None:
        """The pointer itself says enough."""
