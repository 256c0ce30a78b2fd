"""What every part of the workbench works on: the open scene, acts in the background, jobs in the worker, signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.core.scene import Change, Scene
from cimgen_qt.core.scope import Area
from cimgen_qt.opening import Opened
from cimgen_qt.ui.choices import Choices
from cimgen_qt.ui.compat import QtCore, Signal, tr
from cimgen_qt.ui.jobs import Calls, Jobs

COUNT_AFTER_MS = 120
"""Areas are counted when painting has paused this long."""


@dataclass(frozen=True)
class _Follow:
    """Whom a job's end concerns."""

    done: Callable[[Any], None]
    moved: Callable[[Progress], None] | None = None
    dropped: Callable[[], None] | None = None

    def drop(self) -> None:
        if self.dropped is not None:
            self.dropped()


class Desk(QtCore.QObject):
    """All of it lives in the GUI thread. It starts what takes long and announces what changed."""

    project_changed = Signal()
    """Another project is open now, or none."""
    stroke_moved = Signal(object)
    """Window in which the stroke that is being drawn changed the map."""
    changed = Signal(object)
    """A Change: an act was added, undone or redone."""
    areas_changed = Signal()
    proposal_changed = Signal(object)
    """Window in which the proposal looks different."""
    generation_began = Signal()
    progressed = Signal(object, object)
    """Progress of the running job; seconds left or None."""
    activity_changed = Signal()
    """A job or a call began or ended."""
    exported = Signal(object)
    """What an export said, when it is done."""
    told = Signal(str, str, bool)
    """A message for the user, a hint, and whether it is an error."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.choices = Choices(self)
        self.opened: Opened | None = None
        self.scene: Scene | None = None
        self.areas: tuple[Area, ...] | None = None
        """None while they are being counted."""
        self._follow = _Follow(lambda _: None)
        self._acts, self._calls = Calls(self, in_turn=True), Calls(self)
        self._acts.activity.connect(self.activity_changed)
        self._jobs = Jobs(self)
        self._jobs.progressed.connect(self._on_progressed)
        self._jobs.done.connect(self._on_done)
        self._jobs.failed.connect(self._on_failed)
        self._jobs.cancelled.connect(self._on_cancelled)
        self._counter = QtCore.QTimer(self)
        self._counter.setSingleShot(True)
        self._counter.setInterval(COUNT_AFTER_MS)
        self._counter.timeout.connect(self._count)

    @property
    def path(self) -> Path | None:
        """Of the open project."""
        return None if self.opened is None else self.opened.project.path

    @property
    def job(self) -> str:
        """The kind of the job that runs, "" while nothing does."""
        return self._jobs.kind

    @property
    def can_paint(self) -> bool:
        """False as well while an act is being written."""
        return self.can_act and not self._acts.busy

    @property
    def can_act(self) -> bool:
        """Whether the open project may be changed."""
        return self.opened is not None and not self.opened.project.read_only

    def close(self) -> None:
        """End every thread and process; the last call."""
        self._counter.stop()
        self._jobs.close()
        self._acts.close()
        self._calls.close()
        if self.opened is not None:
            self.opened.close()
            self.opened = self.scene = None

    # --- jobs ----------------------------------------------------------------------------------------------------

    def start(
        self,
        kind: str,
        request: Mapping[str, Any],
        done: Callable[[Any], None],
        leaves_in: Sequence[Path] = (),
        moved: Callable[[Progress], None] | None = None,
        dropped: Callable[[], None] | None = None,
    ) -> None:
        """Start a job of `tasks` in the worker. `moved` hears of its progress, `dropped` of its failure or cancel.

        `leaves_in`: folders in which a killed worker may leave temporary files.
        """
        follow = _Follow(done, moved, dropped)
        if self._jobs.kind:
            self.told.emit(tr("Another job is running."), tr("Wait for it, or cancel it."), True)
            follow.drop()
        else:
            self._follow = follow
            self._jobs.start(kind, request, leaves_in)
        self.activity_changed.emit()

    def cancel_job(self) -> None:
        """Stop the job that runs."""
        self._jobs.cancel()

    def _on_progressed(self, progress: Progress, left: float | None) -> None:
        if self._follow.moved is not None:
            self._follow.moved(progress)
        self.progressed.emit(progress, left)

    def _on_done(self, _kind: str, result: Any) -> None:
        self._follow.done(result)
        self.activity_changed.emit()

    def _on_failed(self, kind: str, error: CimgenError) -> None:
        self.tell(error)
        self._on_cancelled(kind)

    def _on_cancelled(self, _kind: str) -> None:
        self._follow.drop()
        self.activity_changed.emit()

    # --- acts and calls -----------------------------------------------------------------------------------------

    def call(self, function: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """What only reads, in the background; an error is told."""
        self._calls.start(function, done, self.tell)

    def act(self, change: Callable[[], Change | None], then: Callable[[], None] | None = None) -> None:
        """Change the scene in the background; painting waits meanwhile."""

        def done(result: Change | None) -> None:
            self.announce(result)
            if then is not None:
                then()

        self._acts.start(change, done, self.tell)

    def announce(self, change: Change | None) -> None:
        """Tell what an act changed; None: it changed nothing."""
        if change is not None:
            self.changed.emit(change)
            self._counter.start()

    def _count(self) -> None:
        scene = self.scene
        if scene is None:
            return
        head = scene.project.head

        def done(areas: tuple[Area, ...]) -> None:
            if self.scene is scene and scene.project.head == head:
                self.areas = areas
                self.areas_changed.emit()

        self._calls.start(scene.areas, done, lambda error: self.tell(error) if self.scene is scene else None)

    def tell(self, error: BaseException) -> None:
        """Say it to the user where it is meant for one."""
        if isinstance(error, CimgenError):
            self.told.emit(error.message, error.hint, True)
        elif not isinstance(error, Cancelled):
            raise error
