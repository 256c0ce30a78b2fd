"""Lines over the image that are seen on any ground, and distances on the screen."""

from __future__ import annotations

import math
from collections.abc import Callable

from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import Qt, QtGui
from cimgen_qt.ui.view import View


def draw_twice(painter: QtGui.QPainter, draw: Callable[[], None]) -> None:
    """Dark and wide, then light and narrow: seen on any ground."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QtGui.QColor(0, 0, 0, 200), 3.0), (QtGui.QColor(255, 255, 255), 1.2)):
        painter.setPen(QtGui.QPen(colour, width))
        draw()


def screen_distance(view: View, one: Point, other: Point) -> float:
    return math.hypot(one[0] - other[0], one[1] - other[1]) * view.scale
