"""What the canvas draws besides tiles: the checkerboard behind clear pixels, and the badge."""

from __future__ import annotations

from functools import lru_cache

from cimgen_qt.ui.compat import Qt, QtCore, QtGui
from cimgen_qt.ui.images import checkers, label_image


def checkerboard(painter: QtGui.QPainter, box: QtCore.QRectF) -> None:
    """Behind what is clear, fixed to the screen."""
    painter.fillRect(box.toRect(), _board())


@lru_cache(maxsize=1)
def _board() -> QtGui.QBrush:
    return QtGui.QBrush(label_image(checkers(32, 32, 16)).copy())


def badge(painter: QtGui.QPainter, rect: QtCore.QRect, text: str, palette: QtGui.QPalette) -> None:
    """A line at the top of the canvas that cannot be overlooked."""
    box = badge_box(painter.fontMetrics(), rect, text)
    painter.setPen(QtGui.QPen(palette.color(QtGui.QPalette.ColorRole.HighlightedText), 1.0))
    painter.setBrush(palette.color(QtGui.QPalette.ColorRole.Highlight))
    painter.drawRoundedRect(box, 6.0, 6.0)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def badge_box(metrics: QtGui.QFontMetrics, rect: QtCore.QRect, text: str) -> QtCore.QRectF:
    """Where a badge stands."""
    width, height = metrics.horizontalAdvance(text) + 28, metrics.height() + 12
    return QtCore.QRectF(rect.center().x() - width / 2 + 0.5, rect.top() + 12.5, width, height)
