"""Icons by name: from qtawesome in the program of its own, a letter on a square where that is missing."""

from __future__ import annotations

import sys

from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets

_NAMES = {
    "brush": "fa6s.paintbrush",
    "eraser": "fa6s.eraser",
    "rectangle": "fa6s.vector-square",
    "polygon": "fa6s.draw-polygon",
    "fill": "fa6s.fill-drip",
    "undo": "fa6s.rotate-left",
    "redo": "fa6s.rotate-right",
    "open": "fa6s.folder-open",
    "image": "fa6s.image",
    "generate": "fa6s.wand-magic-sparkles",
    "cancel": "fa6s.stop",
    "accept": "fa6s.check",
    "discard": "fa6s.trash",
    "again": "fa6s.arrows-rotate",
    "export": "fa6s.file-export",
    "map": "fa6s.layer-group",
    "original": "fa6s.eye",
    "fit": "fa6s.expand",
    "close": "fa6s.xmark",
    "help": "fa6s.circle-question",
}


def icon(name: str) -> QtGui.QIcon:
    """In the colour of the text of the system's palette."""
    colour = QtWidgets.QApplication.palette().color(QtGui.QPalette.ColorRole.ButtonText)
    if "qgis.core" not in sys.modules:
        try:
            import qtawesome
        except ImportError:
            return _letter(name, colour)
        grey = QtGui.QColor(colour)
        grey.setAlpha(90)
        drawn: QtGui.QIcon = qtawesome.icon(_NAMES[name], color=colour, color_disabled=grey)
        return drawn
    return _letter(name, colour)


def _letter(name: str, colour: QtGui.QColor) -> QtGui.QIcon:
    pixmap = QtGui.QPixmap(32, 32)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setPen(QtGui.QPen(colour, 2))
    font = painter.font()
    font.setPixelSize(20)
    painter.setFont(font)
    painter.drawRoundedRect(QtCore.QRectF(2, 2, 28, 28), 5.0, 5.0)
    painter.drawText(QtCore.QRectF(0, 0, 32, 32), Qt.AlignmentFlag.AlignCenter, name[0].upper())
    painter.end()
    return QtGui.QIcon(pixmap)
