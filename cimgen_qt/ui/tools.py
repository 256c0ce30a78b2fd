"""What the left mouse button does on the canvas: brush, eraser, rectangle, polygon, fill."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from cimgen_qt.core.edits import Edit, Fill, Polygon, Rectangle
from cimgen_qt.core.grid import Window
from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import Qt, QtCore, QtGui, tr
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench

CLOSE_ENOUGH = 8.0
"""Screen points from the first corner of a polygon within which a click closes it."""


class Tool(Protocol):
    """Points are (row, col) in pixel coordinates of the image."""

    def press(self, at: Point, view: View) -> None: ...

    def move(self, at: Point) -> None: ...

    def release(self, at: Point) -> None: ...

    def cancel(self) -> bool:
        """Forget what was begun; False where nothing was."""
        ...

    def claims(self, key: int) -> bool:
        """Whether this key is meant for the tool now and for nothing else."""
        ...

    def finish(self) -> None:
        """Enter was pressed, or a double click."""
        ...

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None: ...

    def extent(self, view: View) -> float | None:
        """How far from the pointer, in screen points, `draw` reaches; None: anywhere."""
        ...


class BrushTool:
    """Paints the chosen class, or restores the original, along the way of the pointer."""

    def __init__(self, workbench: Workbench, restore: bool = False) -> None:
        self._workbench = workbench
        self._restore = restore

    def press(self, at: Point, view: View) -> None:
        class_id = None if self._restore else self._workbench.choices.pen.class_id
        self._workbench.begin_stroke(class_id, *at)

    def move(self, at: Point) -> None:
        self._workbench.move_stroke(*at)

    def release(self, at: Point) -> None:
        self._workbench.finish_stroke()

    def cancel(self) -> bool:
        return self._workbench.cancel_stroke()

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
        _twice(painter, lambda: draw(box))
        if min(box.width(), box.height()) < 6:
            arms = [QtCore.QLineF(x - 7, y, x - 3, y), QtCore.QLineF(x + 3, y, x + 7, y)]
            arms += [QtCore.QLineF(x, y - 7, x, y - 3), QtCore.QLineF(x, y + 3, x, y + 7)]
            _twice(painter, lambda: painter.drawLines(*arms))

    def _half_axes(self) -> Point:
        """In rows and columns; the brush is round on the ground."""
        scene, radius = self._workbench.scene, self._workbench.choices.pen.radius
        size = None if scene is None else scene.grid.pixel_size
        return (radius if size is None else radius * size[1] / size[0]), radius


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
            self._workbench.paint(Edit(shape, self._workbench.choices.pen.class_id))

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
            _twice(painter, lambda: painter.drawRect(box))

    def _window(self) -> Window:
        scene = self._workbench.scene
        if self._from is None or scene is None:
            return Window(0, 0, 0, 0)
        (r0, c0), (r1, c1) = self._from, self._to
        row, col = math.floor(min(r0, r1)), math.floor(min(c0, c1))
        window = Window(row, col, math.ceil(max(r0, r1)) - row, math.ceil(max(c0, c1)) - col)
        return window.intersect(scene.grid.window)


class PolygonTool:
    """A corner a click; Enter, a double click or a click on the first corner closes it."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._corners: list[Point] = []

    def press(self, at: Point, view: View) -> None:
        if len(self._corners) > 2 and _distance(view, at, self._corners[0]) < CLOSE_ENOUGH:
            self.finish()
        elif not self._corners or _distance(view, at, self._corners[-1]) > 1:
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
            self._workbench.paint(Edit(Polygon((corners,)), self._workbench.choices.pen.class_id))

    def extent(self, view: View) -> float | None:
        return None

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None:
        corners = [*self._corners, at] if at is not None and self._corners else self._corners
        points = [QtCore.QPointF(*view.to_screen(*corner)) for corner in corners]
        if points:
            _twice(painter, lambda: painter.drawPolygon(QtGui.QPolygonF(points)))
            _twice(painter, lambda: painter.drawEllipse(points[0], 4.0, 4.0))


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
        self._workbench.paint(Edit(Fill(row, col), self._workbench.choices.pen.class_id))

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


def _twice(painter: QtGui.QPainter, draw: Callable[[], None]) -> None:
    """Dark and wide, then light and narrow: seen on any ground."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QtGui.QColor(0, 0, 0, 200), 3.0), (QtGui.QColor(255, 255, 255), 1.2)):
        painter.setPen(QtGui.QPen(colour, width))
        draw()


def _distance(view: View, one: Point, other: Point) -> float:
    return math.hypot(one[0] - other[0], one[1] - other[1]) * view.scale
