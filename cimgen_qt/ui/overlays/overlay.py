"""What everything that is drawn over the scene is to the canvas."""

from __future__ import annotations

from typing import Protocol

from cimgen_qt.ui.compat import QtCore, QtGui
from cimgen_qt.ui.view import View


class Overlay(Protocol):
    """Drawn last, in the order in which they were added, at every frame: it reads no file and computes little."""

    def draw(self, painter: QtGui.QPainter, rect: QtCore.QRect, view: View) -> None:
        """`rect` is the whole canvas in screen points; the painter is antialiased, its pen and brush are anything."""
        ...
