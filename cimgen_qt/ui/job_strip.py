"""A line below the canvas that follows a job of another kind than generating, with Cancel."""

from __future__ import annotations

from cimgen_qt.core.jobs import Progress
from cimgen_qt.ui.compat import QtWidgets, tr
from cimgen_qt.ui.icons import icon
from cimgen_qt.ui.words import time_text
from cimgen_qt.ui.workbench import Workbench

_TEXTS = {"new": "Making the project", "map": "Reading the map", "export": "Exporting"}


class JobStrip(QtWidgets.QWidget):
    """Hidden while nothing runs."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._text = QtWidgets.QLabel(self)
        self._bar = QtWidgets.QProgressBar(self)
        self._bar.setAccessibleName(tr("Progress"))
        cancel = QtWidgets.QPushButton(icon("cancel"), tr("Cancel"), self)
        cancel.clicked.connect(workbench.cancel_job)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self._text)
        row.addWidget(self._bar, 1)
        row.addWidget(cancel)
        workbench.activity_changed.connect(self._refresh)
        workbench.progressed.connect(self._on_progress)
        self._refresh()

    def _refresh(self) -> None:
        kind = self._workbench.job
        if not self.isVisible():
            self._bar.setRange(0, 0)
            self._text.setText(tr(_TEXTS.get(kind, "")))
        self.setVisible(kind in _TEXTS)

    def _on_progress(self, progress: Progress, left: float | None) -> None:
        if self._workbench.job in _TEXTS and progress.total:
            self._bar.setRange(0, 1000)
            self._bar.setValue(round(progress.fraction * 1000))
            said = (tr(_TEXTS[self._workbench.job]), progress.text, time_text(left))
            self._text.setText(", ".join(part for part in said if part))
