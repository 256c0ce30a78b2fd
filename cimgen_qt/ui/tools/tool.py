"""What every tool is to the canvas."""

from __future__ import annotations

from typing import Protocol

from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.compat import QtGui
from cimgen_qt.ui.view import View


class Tool(Protocol):
    """Points are (row, col) in pixel coordinates of the image."""

    def press(self, at: Point, view: View) -> None: ...

    def move(self, at: Point) -> None: ...

    def release(self, at: Point) -> None: ...

    def cancel(self) -> bool:
        """Forget what was begun; False where nothing was."""
        ...

    def claims(self, key: int) -> bool:
        """Whether this key is meant for the tool now and for nothing else."""
        ...

    def finish(self) -> None:
        """Enter was pressed, or a double click."""
        ...

    def draw(self, painter: QtGui.QPainter, view: View, at: Point | None) -> None: ...

    def extent(self, view: View) -> float | None:
        """How far from the pointer, in screen points, `draw` reaches; None: anywhere."""
        ...
