"""Owns the open scene, starts what takes long, and announces what changed; it computes nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.core.edits import Edit
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Cancelled, Progress
from cimgen_qt.core.render import Patch
from cimgen_qt.core.scene import Change, Scene, SceneBrush
from cimgen_qt.core.scope import Area
from cimgen_qt.opening import Opened, open_project
from cimgen_qt.ui.choices import Choices
from cimgen_qt.ui.compat import QtCore, Signal, tr
from cimgen_qt.ui.jobs import Calls, Jobs
from cimgen_qt.ui.proposal import Proposal

COUNT_AFTER_MS = 120
"""Areas are counted when painting has paused this long."""


class Workbench(QtCore.QObject):
    """Widgets call it and listen to it. All of it lives in the GUI thread."""

    project_changed = Signal()
    """Another project is open now, or none."""
    stroke_moved = Signal(object)
    """Window in which the stroke that is being drawn changed the map."""
    changed = Signal(object)
    """A Change: an act was added, undone or redone."""
    areas_changed = Signal()
    proposal_changed = Signal(object)
    """Window in which the proposal looks different."""
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
        self.proposal: Proposal | None = None
        self.areas: tuple[Area, ...] | None = None
        """None while they are being counted."""
        self._stroke: SceneBrush | None = None
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

    # --- projects ------------------------------------------------------------------------------------------------

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
        return self._can_act and not self._acts.busy

    @property
    def _can_act(self) -> bool:
        return self.opened is not None and not self.opened.project.read_only

    def open(self, path: Path) -> None:
        """Open a project; the one before is closed when the new one is here."""
        self._acts.start(lambda: open_project(path), self._on_opened, self._tell)

    def new(self, request: Mapping[str, Any]) -> None:
        """Make a project in the worker (a `tasks.NewRequest`), then open it."""
        target = Path(str(request["project"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._start("new", request, target.parent)

    def close(self) -> None:
        """End every thread and process; the last call."""
        self._counter.stop()
        self.cancel_stroke()
        self._jobs.close()
        self._acts.close()
        self._calls.close()
        if self.opened is not None:
            self.opened.close()
            self.opened = self.scene = None

    def _on_opened(self, opened: Opened) -> None:
        self.cancel_stroke()
        before, self.opened, self.scene = self.opened, opened, opened.scene
        self.proposal, self.areas = None, None
        self.project_changed.emit()
        if before is not None:
            before.close()
        self._jobs.warm()
        self._counter.start()
        for note in opened.reader.info.notes:
            self.told.emit(note, "", False)

    # --- painting ------------------------------------------------------------------------------------------------

    def begin_stroke(self, class_id: int | None, row: float, col: float) -> None:
        """Put the pen down; None restores the original."""
        if self.scene is None or not self.can_paint:
            return
        pen = self.choices.pen
        try:
            self._stroke = self.scene.brush(class_id, pen.radius, pen.shape)
        except CimgenError as error:
            self._tell(error)
            return
        self.move_stroke(row, col)

    def move_stroke(self, row: float, col: float) -> None:
        """Draw on; `stroke_moved` tells where at once."""
        if self._stroke is not None:
            self.stroke_moved.emit(self._stroke.move(row, col))

    def finish_stroke(self) -> None:
        """Lift the pen: the stroke becomes one act."""
        if self._stroke is None:
            return
        stroke, self._stroke = self._stroke, None
        edit = stroke.edit
        if edit is not None and edit.class_id is None:  # to restore may read the photo: not in this thread
            self._act(stroke.finish)
            return
        try:
            self._announce(stroke.finish())
        except CimgenError as error:
            self._tell(error)

    def cancel_stroke(self) -> bool:
        """Forget the stroke that is being drawn; False where there is none."""
        if self._stroke is None:
            return False
        stroke, self._stroke = self._stroke, None
        self.stroke_moved.emit(stroke.cancel())
        return True

    def paint(self, edit: Edit) -> None:
        """One edit as one act."""
        scene = self.scene
        if scene is not None and self._can_act:
            self._act(lambda: scene.paint(edit))

    def undo(self) -> None:
        """Step back; a stroke that is being drawn is dropped first."""
        if not self.cancel_stroke() and self.scene is not None and self._can_act:
            self._act(self.scene.undo)

    def redo(self) -> None:
        """Step forward again."""
        if self.scene is not None and self._can_act:
            self._act(self.scene.redo)

    # --- generating ----------------------------------------------------------------------------------------------

    def generate(self) -> None:
        """Make a proposal for every area in the worker."""
        if self.scene is None or self.path is None or not self.areas or self.job:
            return
        self.discard()
        self.proposal = Proposal()
        recipe = self.choices.recipe
        request = {
            "project": str(self.path),
            "model": recipe.model,
            "seed": recipe.seed,
            "blend": recipe.blend.to_json(),
            "revision": self.scene.project.head,
        }
        self._start("render", request)

    def try_again(self) -> None:
        """Another proposal with the next seed."""
        self.choices.set_recipe(seed=self.choices.recipe.seed + 1)
        self.generate()

    def accept(self) -> None:
        """The proposal becomes one act."""
        scene, proposal = self.scene, self.proposal
        if scene is None or proposal is None or proposal.rendered is None or not self._can_act:
            return
        rendered = proposal.rendered
        self._act(lambda: scene.lay(rendered), self._drop_proposal)

    def discard(self) -> None:
        """Drop the proposal; nothing of it remains."""
        if self.job != "render":
            self._drop_proposal()

    def cancel_job(self) -> None:
        """Stop the job that runs."""
        self._jobs.cancel()

    def export(self, request: Mapping[str, Any]) -> None:
        """Write the scene in the worker (a `tasks.ExportRequest` without the project); `exported` follows."""
        if self.path is not None:
            self._start("export", {"project": str(self.path), **request}, Path(str(request["target"])).parent)

    # --- what comes back -----------------------------------------------------------------------------------------

    def _on_progressed(self, progress: Progress, left: float | None) -> None:
        if isinstance(progress.payload, Patch) and self.proposal is not None:
            self.proposal = Proposal((*self.proposal.patches, progress.payload))
            self.proposal_changed.emit(progress.payload.window)
        self.progressed.emit(progress, left)

    def _on_done(self, kind: str, result: Any) -> None:
        if kind == "render":
            self.proposal = Proposal(result.patches, result)
            self.proposal_changed.emit(self.proposal.window)
            if result.warnings:
                self.told.emit("\n".join(result.warnings), "", False)
        elif kind == "new":
            self.open(Path(result["project"]))
        elif kind == "export":
            self.exported.emit(result)
        self.activity_changed.emit()

    def _on_failed(self, kind: str, error: CimgenError) -> None:
        self._tell(error)
        self._on_cancelled(kind)

    def _on_cancelled(self, kind: str) -> None:
        if kind == "render":
            self._drop_proposal()
        self.activity_changed.emit()

    def _drop_proposal(self) -> None:
        proposal, self.proposal = self.proposal, None
        if proposal is not None:
            self.proposal_changed.emit(proposal.window)

    # --- calls ---------------------------------------------------------------------------------------------------

    def _start(self, kind: str, request: Mapping[str, Any], *leaves_in: Path) -> None:
        if not self._jobs.start(kind, request, leaves_in):
            self.told.emit(tr("Another job is running."), tr("Wait for it, or cancel it."), True)
        self.activity_changed.emit()

    def _act(self, change: Callable[[], Change | None], then: Callable[[], None] | None = None) -> None:
        """Change the scene in the background; painting waits meanwhile."""

        def done(result: Change | None) -> None:
            self._announce(result)
            if then is not None:
                then()

        self._acts.start(change, done, self._tell)

    def _announce(self, change: Change | None) -> None:
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

        self._calls.start(scene.areas, done, lambda error: self._tell(error) if self.scene is scene else None)

    def _tell(self, error: BaseException) -> None:
        if isinstance(error, CimgenError):
            self.told.emit(error.message, error.hint, True)
        elif not isinstance(error, Cancelled):
            raise error
