"""The rectangle."""

from __future__ import annotations

import math

from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.grid import Window
from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import QtCore, QtGui
from cimgen_qt.ui.tools.outline import draw_twice
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench


class RectangleTool:
    """Gives every pixel that the dragged rectangle touches the chosen class."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._from: Point | None = None
        self._to: Point = (0.0, 0.0)

    def press(self, at: Point, view: View) -> None:
        self._from = self._to = at

    def move(self, at: Point) -> None:
        self._to = at

    def release(self, at: Point) -> None:
        self._to = at
        window = self._window()
        self._from = None
        if window:
            shape = Rectangle(window.row, window.col, window.height, window.width)
            self._workbench.painting.paint(Edit(shape, self._workbench.choices.pen.class_id))

    def cancel(self) -> bool:
        begun, self._from = self._from is not None, None
        return begun

    def claims(self, key: int) -> bool:
        return False

    def finish(self) -> None:
        """A rectangle ends with the button."""

    def extent(self, view: View) -> float | None:
        return None

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None:
        window = self._window()
        if window:
            x, y = view.to_screen(window.row, window.col)
            box = QtCore.QRectF(x, y, window.width * view.scale, window.height * view.scale)
            draw_twice(painter, lambda: painter.drawRect(box))

    def _window(self) -> Window:
        scene = self._workbench.scene
        if self._from is None or scene is None:
            return Window(0, 0, 0, 0)
        (r0, c0), (r1, c1) = self._from, self._to
        row, col = math.floor(min(r0, r1)), math.floor(min(c0, c1))
        window = Window(row, col, math.ceil(max(r0, r1)) - row, math.ceil(max(c0, c1)) - col)
        return window.intersect(scene.grid.window)
