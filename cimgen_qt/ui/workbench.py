"""Owns the open scene, starts what takes long, and announces what changed; it computes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.opening import Opened, open_project
from cimgen_qt.ui.compat import QtCore
from cimgen_qt.ui.desk import Desk
from cimgen_qt.ui.generation import Generation
from cimgen_qt.ui.painting import Painting
from cimgen_qt.ui.proposal import Proposal


class Workbench(Desk):
    """What the widgets call and listen to."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.painting = Painting(self)
        self.generation = Generation(self)

    @property
    def proposal(self) -> Proposal | None:
        """What was generated and not accepted yet."""
        return self.generation.proposal

    def open(self, path: Path) -> None:
        """Open a project; the one before is closed when the new one is here."""
        self._acts.start(lambda: open_project(path), self._on_opened, self.tell)

    def new(self, request: Mapping[str, Any]) -> None:
        """Make a project in the worker (a `tasks.NewRequest`), then open it."""
        target = Path(str(request["project"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.start("new", request, lambda made: self.open(Path(made["project"])), [target.parent])

    def undo(self) -> None:
        """Step back; a stroke that is being drawn is dropped first."""
        if not self.painting.cancel() and self.scene is not None and self.can_act:
            self.act(self.scene.undo)

    def redo(self) -> None:
        """Step forward again."""
        if self.scene is not None and self.can_act:
            self.act(self.scene.redo)

    def export(self, request: Mapping[str, Any]) -> None:
        """Write the scene in the worker (a `tasks.ExportRequest` without the project); `exported` follows."""
        if self.path is not None:
            folder = Path(str(request["target"])).parent
            self.start("export", {"project": str(self.path), **request}, self.exported.emit, [folder])

    def close(self) -> None:
        """End every thread and process; the last call."""
        self.painting.cancel()
        super().close()

    def _on_opened(self, opened: Opened) -> None:
        self.painting.cancel()
        before, self.opened, self.scene = self.opened, opened, opened.scene
        self.generation.proposal, self.areas = None, None
        self.project_changed.emit()
        if before is not None:
            before.close()
        self._jobs.warm()
        self._counter.start()
        for note in opened.reader.info.notes:
            self.told.emit(note, "", False)
