"""Strokes and edits on the map: shown while they are drawn, one act when they end."""

from __future__ import annotations

from cimgen_qt.core.edits import Edit
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.scene import SceneBrush
from cimgen_qt.ui.desk import Desk


class Painting:
    """A part of the workbench, which announces what it does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stroke: SceneBrush | None = None

    @property
    def drawing(self) -> bool:
        """Whether the pen is down."""
        return self._stroke is not None

    def begin(self, class_id: int | None, row: float, col: float) -> None:
        """Put the pen down; None restores the original."""
        scene = self._desk.scene
        if scene is None or not self._desk.can_paint:
            return
        pen = self._desk.choices.pen
        try:
            self._stroke = scene.brush(class_id, pen.radius, pen.shape)
        except CimgenError as error:
            self._desk.tell(error)
            return
        self.move(row, col)

    def move(self, row: float, col: float) -> None:
        """Draw on; `Desk.stroke_moved` tells where at once."""
        if self._stroke is not None:
            self._desk.stroke_moved.emit(self._stroke.move(row, col))

    def finish(self) -> None:
        """Lift the pen: the stroke becomes one act."""
        if self._stroke is None:
            return
        stroke, self._stroke = self._stroke, None
        edit = stroke.edit
        if edit is not None and edit.class_id is None:  # to restore may read the photo: not in this thread
            self._desk.act(stroke.finish)
            return
        try:
            self._desk.announce(stroke.finish())
        except CimgenError as error:
            self._desk.tell(error)

    def cancel(self) -> bool:
        """Forget the stroke that is being drawn; False where there is none."""
        if self._stroke is None:
            return False
        stroke, self._stroke = self._stroke, None
        self._desk.stroke_moved.emit(stroke.cancel())
        return True

    def paint(self, edit: Edit) -> None:
        """One edit as one act."""
        scene = self._desk.scene
        if scene is not None and self._desk.can_act:
            self._desk.act(lambda: scene.paint(edit))
