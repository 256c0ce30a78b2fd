"""What the user has chosen and what no project keeps: class, pen, layers, recipe of the next generation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from cimgen_qt.core.blend import BlendMode, BlendSettings
from cimgen_qt.ui.compat import QtCore, Signal

SMALLEST_RADIUS, LARGEST_RADIUS = 0.5, 1000.0
"""Of the brush, in columns."""


@dataclass(frozen=True, slots=True)
class Pen:
    """`radius` is in columns of the image; `shape` is "round" or "square"."""

    class_id: int = 1
    last_class: int = 4
    radius: float = 12.0
    shape: str = "round"


@dataclass(frozen=True, slots=True)
class Layers:
    """`original` is held down for a moment only."""

    map_shown: bool = True
    map_opacity: float = 0.5
    original: bool = False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the next generation is to be made."""

    model: str = "exemplar"
    seed: int = 0
    blend: BlendSettings = field(default_factory=BlendSettings)


class Choices(QtCore.QObject):
    """Three frozen values that are replaced as a whole; each has a signal."""

    pen_changed = Signal()
    layers_changed = Signal()
    recipe_changed = Signal()

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self.pen, self.layers, self.recipe = Pen(), Layers(), Recipe()

    def choose_class(self, class_id: int) -> None:
        """The class before is remembered for `swap_classes`."""
        if class_id != self.pen.class_id:
            self.set_pen(class_id=class_id, last_class=self.pen.class_id)

    def swap_classes(self) -> None:
        """Back to the class before."""
        self.choose_class(self.pen.last_class)

    def resize(self, up: bool) -> None:
        """One step larger or smaller, about a sixth, at least half a column."""
        step = max(0.5, round(self.pen.radius * 0.15 * 2) / 2)
        self.set_radius(self.pen.radius + (step if up else -step))

    def set_radius(self, radius: float) -> None:
        """In columns; kept within what a brush can be."""
        self.set_pen(radius=min(LARGEST_RADIUS, max(SMALLEST_RADIUS, radius)))

    def set_pen(self, **values: Any) -> None:
        """Replace fields of `pen`."""
        pen = replace(self.pen, **values)
        if pen != self.pen:
            self.pen = pen
            self.pen_changed.emit()

    def set_layers(self, **values: Any) -> None:
        """Replace fields of `layers`."""
        layers = replace(self.layers, **values)
        if layers != self.layers:
            self.layers = layers
            self.layers_changed.emit()

    def set_recipe(self, **values: Any) -> None:
        """Replace fields of `recipe`."""
        recipe = replace(self.recipe, **values)
        if recipe != self.recipe:
            self.recipe = recipe
            self.recipe_changed.emit()

    def set_blend_mode(self, mode: BlendMode) -> None:
        """The rest of the blend stays."""
        self.set_recipe(blend=replace(self.recipe.blend, mode=mode))
