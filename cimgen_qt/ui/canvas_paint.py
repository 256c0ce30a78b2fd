"""What the canvas draws behind clear pixels: a checkerboard."""

from __future__ import annotations

from functools import lru_cache

from cimgen_qt.ui.compat import QtCore, QtGui
from cimgen_qt.ui.images import checkers, label_image


def checkerboard(painter: QtGui.QPainter, box: QtCore.QRectF) -> None:
    """Behind what is clear, fixed to the screen."""
    painter.fillRect(box.toRect(), _board())


@lru_cache(maxsize=1)
def _board() -> QtGui.QBrush:
    return QtGui.QBrush(label_image(checkers(32, 32, 16)).copy())
