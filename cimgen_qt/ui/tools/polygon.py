"""The polygon."""

from __future__ import annotations

from cimgen_qt.core.edits import Edit, Polygon
from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import Qt, QtCore, QtGui
from cimgen_qt.ui.tools.outline import draw_twice, screen_distance
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench

CLOSE_ENOUGH = 8.0
"""Screen points from the first corner of a polygon within which a click closes it."""


class PolygonTool:
    """A corner a click; Enter, a double click or a click on the first corner closes it."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._corners: list[Point] = []

    def press(self, at: Point, view: View) -> None:
        if len(self._corners) > 2 and screen_distance(view, at, self._corners[0]) < CLOSE_ENOUGH:
            self.finish()
        elif not self._corners or screen_distance(view, at, self._corners[-1]) > 1:
            self._corners.append(at)

    def move(self, at: Point) -> None:
        """Corners are set by clicks."""

    def release(self, at: Point) -> None:
        """Corners are set by clicks."""

    def cancel(self) -> bool:
        begun, self._corners = bool(self._corners), []
        return begun

    def claims(self, key: int) -> bool:
        enter = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        return bool(self._corners) and key in enter

    def finish(self) -> None:
        corners, self._corners = tuple(self._corners), []
        if len(corners) > 2:
            self._workbench.painting.paint(Edit(Polygon((corners,)), self._workbench.choices.pen.class_id))

    def extent(self, view: View) -> float | None:
        return None

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None:
        corners = [*self._corners, at] if at is not None and self._corners else self._corners
        points = [QtCore.QPointF(*view.to_screen(*corner)) for corner in corners]
        if points:
            draw_twice(painter, lambda: painter.drawPolygon(QtGui.QPolygonF(points)))
            draw_twice(painter, lambda: painter.drawEllipse(points[0], 4.0, 4.0))
