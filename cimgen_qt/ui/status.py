"""The line at the bottom: place, class, zoom, size of a pixel, and what is still to be generated."""

from __future__ import annotations

import math

from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.canvas import Canvas
from cimgen_qt.ui.compat import QtWidgets, tr
from cimgen_qt.ui.words import areas_text
from cimgen_qt.ui.workbench import Workbench


class StatusLine(QtWidgets.QStatusBar):
    """Follows the pointer over the canvas."""

    def __init__(self, workbench: Workbench, canvas: Canvas, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench, self._canvas = workbench, canvas
        self._at: Point | None = None
        self.place, self.class_name, self.zoom, self.pixel, self.areas = (QtWidgets.QLabel(self) for _ in range(5))
        self.addWidget(self.place, 3)
        self.addWidget(self.class_name, 1)
        for label in (self.areas, self.zoom, self.pixel):
            label.setContentsMargins(8, 0, 8, 0)
            self.addPermanentWidget(label)
        canvas.pointed.connect(self._on_pointed)
        canvas.moved.connect(self._on_moved)
        workbench.project_changed.connect(self._on_moved)
        workbench.project_changed.connect(self._on_areas)
        workbench.areas_changed.connect(self._on_areas)
        workbench.changed.connect(lambda _: self._on_pointed(self._at))

    def _on_pointed(self, at: Point | None) -> None:
        self._at = at
        scene = self._workbench.scene
        if at is None or scene is None or (class_id := self._canvas.class_at(*at)) is None:
            self.place.clear()
            self.class_name.clear()
            return
        row, col = math.floor(at[0]), math.floor(at[1])
        text = tr("row {}, column {}").format(row, col)
        if scene.grid.is_georeferenced:
            x, y = scene.grid.xy(*at)
            step = max(map(abs, scene.grid.transform[:2]))
            digits = max(1, 1 - math.floor(math.log10(step)))
            text += f"   x {x:.{digits}f}, y {y:.{digits}f}"
        self.place.setText(text)
        self.class_name.setText(scene.palette.name_of(class_id))

    def _on_moved(self) -> None:
        scene = self._workbench.scene
        if scene is None:
            self.zoom.clear()
            self.pixel.clear()
            return
        percent = self._canvas.view.scale * 100
        self.zoom.setText(f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %")
        metres = scene.grid.metres_per_pixel
        self.pixel.setText(tr("size of a pixel not known") if metres is None else f"{metres:.3g} m/px")

    def _on_areas(self) -> None:
        areas = self._workbench.areas
        if areas is None:
            self.areas.clear()
        else:
            self.areas.setText(tr("to generate: {}").format(areas_text(areas)) if areas else tr("nothing to generate"))
