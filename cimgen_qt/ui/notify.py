"""The message bar: says what happened and what to do about it, without stopping the user."""

from __future__ import annotations

from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, tr
from cimgen_qt.ui.icons import icon

STAYS_MS = 8000
"""A plain message leaves by itself after this; an error stays until it is closed or followed by another."""


class MessageBar(QtWidgets.QFrame):
    """Floats over the lower edge of its parent, so that the image does not jump; hidden with nothing to say."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        parent.installEventFilter(self)
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self._text = QtWidgets.QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._sign = QtWidgets.QLabel(self)
        close = QtWidgets.QToolButton(self)
        close.setIcon(icon("close"))
        close.setAutoRaise(True)
        close.setAccessibleName(tr("Close the message"))
        close.setToolTip(tr("Close the message"))
        close.clicked.connect(self.hide)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(10, 5, 5, 5)
        row.addWidget(self._sign)
        row.addWidget(self._text, 1)
        row.addWidget(close)
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        self.setAutoFillBackground(True)
        self.setAccessibleName(tr("Message"))
        self.hide()

    @property
    def text(self) -> str:
        """What stands there now."""
        return self._text.text()

    def show_message(self, message: str, hint: str = "", error: bool = False) -> None:
        """Replaces what stood there, unless that is an error and this is none."""
        if self.isVisible() and not self._timer.isActive() and not error:
            return
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setText(f"{message}\n{hint}" if hint else message)
        style, pixmap = self.style(), QtWidgets.QStyle.StandardPixmap
        if style is not None:
            sign = pixmap.SP_MessageBoxWarning if error else pixmap.SP_MessageBoxInformation
            self._sign.setPixmap(style.standardIcon(sign).pixmap(20, 20))
        self._colour(error)
        self._timer.stop()
        if not error:
            self._timer.start(STAYS_MS)
        self._place()
        self.show()
        self.raise_()

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Keeps its place when the parent is resized."""
        if watched is self._over and event is not None and event.type() == QtCore.QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        width = max(100, min(900, self._over.width() - 24))
        height = self.heightForWidth(width)  # the hint of a text that wraps is for a narrow column
        left = (self._over.width() - width) // 2
        self.setGeometry(left, self._over.height() - height - 12, width, height)

    def _colour(self, error: bool) -> None:
        """A tint of the window's own colour, so that its text stays readable in a light and in a dark theme."""
        palette = QtWidgets.QApplication.palette()
        base = palette.color(QtGui.QPalette.ColorRole.Window)
        tint = QtGui.QColor(214, 60, 40) if error else QtGui.QColor(40, 110, 214)
        mixed = [round(0.78 * a + 0.22 * b) for a, b in zip(base.getRgb()[:3], tint.getRgb()[:3], strict=True)]
        palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(*mixed))
        self.setPalette(palette)
