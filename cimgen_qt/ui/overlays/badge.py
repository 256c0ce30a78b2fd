"""A line at the top of the canvas that cannot be overlooked: what is shown is not the scene as it stands."""

from __future__ import annotations

from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, tr
from cimgen_qt.ui.view import View
from cimgen_qt.ui.workbench import Workbench


class Badge:
    """Names the original photo, or a proposal."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench

    @property
    def text(self) -> str:
        """Empty where the scene is shown as it stands."""
        proposal = self._workbench.proposal
        if self._workbench.choices.layers.original:
            return tr("Original photo")
        if proposal is None:
            return ""
        if proposal.rendered is None:
            return tr("Generating: proposal, not applied")
        return tr("Proposal, not applied. Enter accepts, Delete discards.")

    def draw(self, painter: QtGui.QPainter, rect: QtCore.QRect, view: View) -> None:
        if self.text:
            badge(painter, rect, self.text, QtWidgets.QApplication.palette())


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
