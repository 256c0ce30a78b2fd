"""The brush, and the eraser that restores the original."""

from __future__ import annotations

from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import QtCore, QtGui
from cimgen_qt.ui.tools.outline import draw_twice
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench


class BrushTool:
    """Paints the chosen class, or restores the original, along the way of the pointer."""

    def __init__(self, workbench: Workbench, restore: bool = False) -> None:
        self._workbench = workbench
        self._restore = restore

    def press(self, at: Point, view: View) -> None:
        class_id = None if self._restore else self._workbench.choices.pen.class_id
        self._workbench.painting.begin(class_id, *at)

    def move(self, at: Point) -> None:
        self._workbench.painting.move(*at)

    def release(self, at: Point) -> None:
        self._workbench.painting.finish()

    def cancel(self) -> bool:
        return self._workbench.painting.cancel()

    def claims(self, key: int) -> bool:
        return False

    def finish(self) -> None:
        """A stroke ends with the button."""

    def extent(self, view: View) -> float | None:
        rows, cols = self._half_axes()
        return max(rows, cols) * view.scale + 4

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None:
        if at is None:
            return
        x, y = view.to_screen(*at)
        rows, cols = self._half_axes()
        box = QtCore.QRectF(x - cols * view.scale, y - rows * view.scale, 2 * cols * view.scale, 2 * rows * view.scale)
        square = self._workbench.choices.pen.shape == "square"
        draw = painter.drawRect if square else painter.drawEllipse
        draw_twice(painter, lambda: draw(box))
        if min(box.width(), box.height()) < 6:
            arms = [QtCore.QLineF(x - 7, y, x - 3, y), QtCore.QLineF(x + 3, y, x + 7, y)]
            arms += [QtCore.QLineF(x, y - 7, x, y - 3), QtCore.QLineF(x, y + 3, x, y + 7)]
            draw_twice(painter, lambda: painter.drawLines(*arms))

    def _half_axes(self) -> Point:
        """In rows and columns; the brush is round on the ground."""
        scene, radius = self._workbench.scene, self._workbench.choices.pen.radius
        size = None if scene is None else scene.grid.pixel_size
        return (radius if size is None else radius * size[1] / size[0]), radius
