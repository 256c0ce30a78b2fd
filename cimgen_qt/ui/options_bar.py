"""The bar above the canvas: size and shape of the brush, opacity of the map, the original photo."""

from __future__ import annotations

from cimgen_qt.ui.choices import LARGEST_RADIUS, SMALLEST_RADIUS
from cimgen_qt.ui.compat import Qt, QtWidgets, tr
from cimgen_qt.ui.icons import icon
from cimgen_qt.ui.workbench import Workbench


class OptionsBar(QtWidgets.QToolBar):
    """Sizes are diameters, in pixels or in metres on the ground."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(tr("Options"), parent)
        self._workbench = workbench
        self._choices = workbench.choices
        self.setObjectName("options")
        self.size_box = QtWidgets.QDoubleSpinBox(self)
        self.size_box.setAccessibleName(tr("Brush size"))
        self.size_box.setKeyboardTracking(False)
        self.size_box.valueChanged.connect(self._on_size)
        self.unit = QtWidgets.QComboBox(self)
        self.unit.addItems(["px", "m"])
        self.unit.setAccessibleName(tr("Unit of the brush size"))
        self.unit.currentIndexChanged.connect(self._refresh)
        self.shape = QtWidgets.QComboBox(self)
        self.shape.addItem(tr("round"), "round")
        self.shape.addItem(tr("square"), "square")
        self.shape.setAccessibleName(tr("Brush shape"))
        self.shape.currentIndexChanged.connect(lambda _: self._choices.set_pen(shape=self.shape.currentData()))
        self.opacity = QtWidgets.QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(0, 100)
        self.opacity.setFixedWidth(130)
        self.opacity.setAccessibleName(tr("Opacity of the map"))
        self.opacity.valueChanged.connect(lambda value: self._choices.set_layers(map_opacity=value / 100))
        self.original = QtWidgets.QToolButton(self)
        self.original.setIcon(icon("original"))
        self.original.setText(tr("Original"))
        self.original.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.original.setToolTip(tr("Hold to see the original photo (\\)"))
        self.original.pressed.connect(lambda: self._choices.set_layers(original=True))
        self.original.released.connect(lambda: self._choices.set_layers(original=False))
        self._add(tr("Brush"), self.size_box, self.unit, self.shape)
        self.addSeparator()
        self._add(tr("Map"), self.opacity)
        self.addSeparator()
        self.addWidget(self.original)
        workbench.project_changed.connect(self._on_project)
        self._choices.pen_changed.connect(self._refresh)
        self._choices.layers_changed.connect(self._refresh)
        self._on_project()

    def _add(self, text: str, *widgets: QtWidgets.QWidget) -> None:
        label = QtWidgets.QLabel(f" {text} ", self)
        label.setBuddy(widgets[0])
        self.addWidget(label)
        for widget in widgets:
            self.addWidget(widget)

    def _column_metres(self) -> float | None:
        scene = self._workbench.scene
        size = None if scene is None else scene.grid.pixel_size
        return None if size is None else size[1]

    def _on_project(self) -> None:
        known = self._column_metres() is not None
        self.unit.setEnabled(known)
        if not known:
            self.unit.setCurrentIndex(0)
        self.setEnabled(self._workbench.scene is not None)
        self._refresh()

    def _factor(self) -> float:
        """From a radius in columns to what the box shows."""
        return 2.0 * (self._column_metres() or 1.0) if self.unit.currentIndex() == 1 else 2.0

    def _refresh(self, *_: object) -> None:
        factor = self._factor()
        for widget in (self.size_box, self.shape, self.opacity):
            widget.blockSignals(True)
        self.size_box.setRange(SMALLEST_RADIUS * factor, LARGEST_RADIUS * factor)
        self.size_box.setDecimals(0 if self.unit.currentIndex() == 0 else 2)
        self.size_box.setSingleStep(1.0 if self.unit.currentIndex() == 0 else 0.5)
        self.size_box.setValue(self._choices.pen.radius * factor)
        self.shape.setCurrentIndex(self.shape.findData(self._choices.pen.shape))
        self.opacity.setValue(round(self._choices.layers.map_opacity * 100))
        for widget in (self.size_box, self.shape, self.opacity):
            widget.blockSignals(False)

    def _on_size(self, value: float) -> None:
        self._choices.set_radius(value / self._factor())
