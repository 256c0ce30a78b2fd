"""The one door to Qt: PyQt6 in the program of its own, whatever QGIS has loaded inside QGIS."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "qgis.core" not in sys.modules:
    from PyQt6 import QtCore, QtGui, QtWidgets, sip
    from PyQt6.QtCore import Qt
    from PyQt6.QtCore import pyqtSignal as Signal
    from PyQt6.QtGui import QAction, QActionGroup
else:
    from qgis.PyQt import QtCore, QtGui, QtWidgets, sip
    from qgis.PyQt.QtCore import Qt
    from qgis.PyQt.QtCore import pyqtSignal as Signal
    from qgis.PyQt.QtWidgets import QAction, QActionGroup

__all__ = [
    "QAction",
    "QActionGroup",
    "Qt",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "Signal",
    "later",
    "pointer",
    "position",
    "tr",
]


def position(event: QtGui.QMouseEvent | QtGui.QWheelEvent) -> QtCore.QPointF:
    """Where the pointer is, in the widget; the name of it differs between Qt 5 and 6."""
    spot: QtCore.QPointF = event.position() if hasattr(event, "position") else getattr(event, "localPos")()  # noqa: B009
    return spot


def tr(text: str, n: int = -1) -> str:
    """The text in the user's language; `%n` becomes `n`."""
    return QtCore.QCoreApplication.translate("cimgen", text, "", n)


def later(text: str) -> str:
    """Marks a text of a table: it is translated by `tr` where it is shown."""
    return text


def pointer(address: int, size: int) -> Any:
    """Memory that a QImage may look at without a copy; whoever gives it keeps it alive."""
    return sip.voidptr(address, size, True)
