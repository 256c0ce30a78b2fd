"""The projects that were open last."""

from __future__ import annotations

from pathlib import Path

from cimgen_qt.ui.compat import QtCore, QtWidgets, Signal, tr

KEPT = 8
_KEY = "recent"


class RecentMenu(QtWidgets.QMenu):
    """Filled when it is shown; files that are gone are left out."""

    chosen = Signal(object)
    """A Path."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(tr("&Recent projects"), parent)
        self.aboutToShow.connect(self._fill)

    def add(self, path: Path) -> None:
        """To the top of the list."""
        known = [text for text in recent() if text != str(path)]
        QtCore.QSettings().setValue(_KEY, [str(path), *known][:KEPT])

    def _fill(self) -> None:
        self.clear()
        for text in recent():
            path = Path(text)
            action = self.addAction(path.name) if path.is_file() else None
            if action is not None:
                action.setToolTip(text)
                action.triggered.connect(lambda _=False, path=path: self.chosen.emit(path))
        if self.isEmpty():
            nothing = self.addAction(tr("none yet"))
            if nothing is not None:
                nothing.setEnabled(False)


def recent() -> list[str]:
    """Paths, the newest first."""
    value = QtCore.QSettings().value(_KEY, [])
    return [str(text) for text in ([value] if isinstance(value, str) else value or [])]
