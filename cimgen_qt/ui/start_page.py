"""What stands where the image will be: the four steps, and buttons that begin."""

from __future__ import annotations

from collections.abc import Mapping

from cimgen_qt.ui.actions import Actions
from cimgen_qt.ui.compat import Qt, QtWidgets, tr

_STEPS: Mapping[str, str] = {
    "Open image": "a GeoTIFF, PNG or JPEG; it is never written to",
    "Map": "take a class map along, or start with an empty one",
    "Paint": "give ground another class with brush, rectangle or fill",
    "Generate": "get new pixels for what changed, accept them, export",
}


class StartPage(QtWidgets.QWidget):
    """Gone when a project is open."""

    def __init__(self, actions: Actions, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        column = QtWidgets.QVBoxLayout(self)
        column.addStretch(2)
        title = QtWidgets.QLabel(tr("Repaint the map of an aerial image, get new pixels"), self)
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.6)
        title.setFont(font)
        column.addWidget(title, 0, Qt.AlignmentFlag.AlignHCenter)
        grid = QtWidgets.QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(8)
        for number, (name, text) in enumerate(_STEPS.items(), start=1):
            head = QtWidgets.QLabel(f"<b>{number}&nbsp; {tr(name)}</b>", self)
            grid.addWidget(head, number, 0)
            grid.addWidget(QtWidgets.QLabel(tr(text), self), number, 1)
        column.addSpacing(16)
        row = QtWidgets.QHBoxLayout()
        row.addStretch(1)
        row.addLayout(grid)
        row.addStretch(1)
        column.addLayout(row)
        column.addSpacing(20)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        for name in ("new", "open", "sample"):
            button = QtWidgets.QPushButton(actions[name].icon(), actions[name].text(), self)
            button.setMinimumHeight(34)
            button.clicked.connect(actions[name].trigger)
            buttons.addWidget(button)
        buttons.addStretch(1)
        column.addLayout(buttons)
        drop = QtWidgets.QLabel(tr("Or drop a .tif or .cimgen file here."), self)
        column.addSpacing(10)
        column.addWidget(drop, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
