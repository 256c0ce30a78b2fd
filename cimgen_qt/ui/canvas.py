"""Shows the scene, pans and zooms, and hands the pointer to the tool that is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cimgen_qt.core.grid import Window
from cimgen_qt.core.scene import Change
from cimgen_qt.core.shapes import Point
from cimgen_qt.ui.canvas_paint import checkerboard
from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, Signal, position, tr
from cimgen_qt.ui.images import ClassColours
from cimgen_qt.ui.overlays.overlay import Overlay
from cimgen_qt.ui.tile_reader import LABELS, PHOTO, SCENE, TileReader, Told
from cimgen_qt.ui.tiles import Drawn, TileCache, as_rect, covers
from cimgen_qt.ui.tools.brush import BrushTool
from cimgen_qt.ui.tools.tool import Tool
from cimgen_qt.ui.view import View, fitted
from cimgen_qt.ui.workbench import Workbench

IDLE_MS = 150
"""Pictures are drawn smooth when nothing has moved this long."""
NOTCH = 1.0015
"""Zoom for a unit of the wheel; a notch has 120."""
BESIDE_PROPOSAL = 0.25
"""Share of its opacity that the map keeps while a proposal is looked at."""
NEAR = 2.0
"""From this scale on pixels are shown as squares."""


class Canvas(QtWidgets.QWidget):
    """The middle of the window. It keeps where the user looks, nothing of the scene."""

    pointed = Signal(object)
    """(row, col) under the pointer, or None."""
    moved = Signal()
    """The view is another one."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = View()
        self.tiles: TileCache | None = None
        self.complete = False
        """Whether the last frame had every tile it wanted."""
        self.overlays: list[Overlay] = []
        self._workbench = workbench
        self._tool: Tool = BrushTool(workbench)
        self._at: Point | None = None
        self._grabbed: QtCore.QPointF | None = None
        self._hand = False
        self._drawing = False
        self._smooth = True
        self._fit_wanted = True
        self._idle = QtCore.QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.setInterval(IDLE_MS)
        self._idle.timeout.connect(self._on_idle)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(320, 240)
        self.setAccessibleName(tr("Image"))
        workbench.project_changed.connect(self._on_project)
        workbench.stroke_moved.connect(self._on_stroke)
        workbench.changed.connect(self._on_changed)
        workbench.proposal_changed.connect(self._on_proposal)
        workbench.choices.layers_changed.connect(self._on_layers)
        workbench.choices.pen_changed.connect(self.update)

    # --- looking -------------------------------------------------------------------------------------------------

    def set_tool(self, tool: Tool) -> None:
        """What was begun with the old tool is forgotten."""
        self._tool.cancel()
        self._tool = tool
        self.update()

    def fit(self) -> None:
        """The whole image."""
        if self.tiles is not None:
            self._look(fitted(self.tiles.grid, self.width(), self.height()))

    def set_scale(self, scale: float) -> None:
        """`scale` screen points a pixel, about the middle of the screen."""
        self.zoom(scale / self.view.scale)

    def zoom(self, factor: float, x: float | None = None, y: float | None = None) -> None:
        """About (x, y) on the screen, or the middle of it."""
        if self.tiles is None:
            return
        smallest = min(1.0, fitted(self.tiles.grid, self.width(), self.height()).scale / 4)
        centre = (self.width() / 2 if x is None else x), (self.height() / 2 if y is None else y)
        self._look(self.view.zoomed(factor, *centre, smallest))

    def pan(self, dx: float, dy: float) -> None:
        """The image follows by (dx, dy) screen points."""
        self._look(self.view.moved(dx, dy))

    def class_at(self, row: float, col: float) -> int | None:
        """The edited class of the pixel at a point; None outside the image."""
        scene = self._workbench.scene
        window = Window(math.floor(row), math.floor(col), 1, 1)
        if scene is None or not scene.grid.window.contains(window):
            return None
        return int(scene.read_labels(window)[0, 0])

    def shown(self, rect: QtCore.QRect | None = None) -> Window:
        """Pixels of the image within `rect`, or on the whole screen."""
        rect = self.rect() if rect is None else rect
        top, left = self.view.to_pixel(rect.left(), rect.top())
        bottom, right = self.view.to_pixel(rect.right() + 1, rect.bottom() + 1)
        row, col = math.floor(top), math.floor(left)
        window = Window(row, col, math.ceil(bottom) - row, math.ceil(right) - col)
        return window if self.tiles is None else window.intersect(self.tiles.grid)

    def _look(self, view: View) -> None:
        if self.tiles is not None:
            view = view.kept_near(self.tiles.grid, self.width(), self.height())
        if view != self.view:
            self.view = view
            self.complete = False
            self._smooth = False
            self._fit_wanted = False
            self._idle.start()
            self.moved.emit()
            self.update()

    def _on_idle(self) -> None:
        self._smooth = True
        self.update()

    # --- the scene changes ---------------------------------------------------------------------------------------

    def close_tiles(self) -> None:
        """End the reading thread."""
        if self.tiles is not None:
            self.tiles.close()
            self.tiles.deleteLater()
            self.tiles = None

    def _on_project(self) -> None:
        self.close_tiles()
        opened = self._workbench.opened
        if opened is not None:
            colours = ClassColours(opened.project.palette)
            reader = TileReader(opened.reader.path, opened.project, colours)
            self.tiles = TileCache(reader, colours, self)
            self.tiles.changed.connect(self._redraw)
            self.tiles.failed.connect(lambda error: self._workbench.told.emit(error.message, error.hint, True))
            self._tell_tiles(frozenset(), Window(0, 0, 0, 0))
            self.fit()
            self._fit_wanted = True
        self.update()

    def _on_stroke(self, window: Window) -> None:
        if self.tiles is not None and self._workbench.scene is not None and window:
            self.tiles.paint(self._workbench.scene, window)
            self._redraw(window)

    def _on_changed(self, change: Change) -> None:
        kinds = {LABELS} if change.layers & {"labels", "map"} else set()
        if "pixels" in change.layers:
            kinds.add(SCENE)
        self._tell_tiles(frozenset(kinds), change.window)

    def _on_proposal(self, window: Window) -> None:
        self._tell_tiles(frozenset({SCENE}), window)
        self.update()

    def _on_layers(self) -> None:
        self.complete = False
        self.update()

    def _tell_tiles(self, layers: frozenset[str], window: Window) -> None:
        scene, proposal = self._workbench.scene, self._workbench.proposal
        self.complete = False
        if self.tiles is not None and scene is not None:
            patches = () if proposal is None else proposal.patches
            self.tiles.tell(Told(scene.project.head, patches), layers, window)

    def _redraw(self, window: Window) -> None:
        x, y = self.view.to_screen(window.row, window.col)
        box = QtCore.QRectF(x, y, window.width * self.view.scale, window.height * self.view.scale)
        self.update(box.toAlignedRect().adjusted(-2, -2, 2, 2).intersected(self.rect()))

    # --- painting ------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QtGui.QPaintEvent | None) -> None:
        painter = QtGui.QPainter(self)
        try:
            self._paint(painter, self.rect() if event is None else event.rect())
        finally:
            painter.end()  # an error that left it open would end the program

    def _paint(self, painter: QtGui.QPainter, rect: QtCore.QRect) -> None:
        if self.tiles is None:
            painter.fillRect(rect, self.palette().color(QtGui.QPalette.ColorRole.Dark))
            return
        image = self._snapped(as_rect(self.tiles.grid)).toRect()
        if not image.contains(rect):
            painter.setClipRegion(QtGui.QRegion(rect).subtracted(QtGui.QRegion(image)))
            painter.fillRect(rect, self.palette().color(QtGui.QPalette.ColorRole.Dark))
            painter.setClipping(False)
        self._paint_scene(painter, rect)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        if not self._hand:
            self._tool.draw(painter, self.view, self._at)
        for overlay in self.overlays:
            overlay.draw(painter, self.rect(), self.view)

    def _paint_scene(self, painter: QtGui.QPainter, rect: QtCore.QRect) -> None:
        tiles, ratio = self.tiles, self.devicePixelRatioF()
        if tiles is None:
            return
        smooth = self._smooth and self.view.scale * ratio < NEAR
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform, smooth)
        layers = self._workbench.choices.layers
        tiles.begin(whole=rect == self.rect())
        shown = self.shown(rect)
        photo = tiles.tiles(PHOTO if layers.original else SCENE, self.view, shown, ratio)
        if not covers(photo, shown):
            checkerboard(painter, self._snapped(as_rect(shown)))
        self._paint_layer(painter, photo)
        if layers.map_shown and not layers.original and layers.map_opacity > 0:
            painter.setOpacity(layers.map_opacity * (1.0 if self._workbench.proposal is None else BESIDE_PROPOSAL))
            self._paint_layer(painter, tiles.tiles(LABELS, self.view, shown, ratio))
            painter.setOpacity(1.0)
        self.complete = tiles.finish(self.view.to_pixel(self.width() / 2, self.height() / 2))

    def _paint_layer(self, painter: QtGui.QPainter, layer: Sequence[Drawn]) -> None:
        for drawn in layer:
            painter.drawImage(self._snapped(drawn.window), drawn.image, drawn.part)

    def _snapped(self, window: QtCore.QRectF) -> QtCore.QRectF:
        """Where pixels lie on the screen, on whole screen points so that tiles meet without a seam."""
        left, top = self.view.to_screen(window.top(), window.left())
        right, bottom = self.view.to_screen(window.bottom(), window.right())
        return QtCore.QRectF(QtCore.QPointF(round(left), round(top)), QtCore.QPointF(round(right), round(bottom)))

    # --- the pointer ---------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QtGui.QMouseEvent | None) -> None:
        if event is None or self.tiles is None:
            return
        spot = position(event)
        at = self.view.to_pixel(spot.x(), spot.y())
        left = event.button() == Qt.MouseButton.LeftButton
        if event.button() == Qt.MouseButton.MiddleButton or (left and self._hand):
            self._grabbed = spot
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif left and event.modifiers() & Qt.KeyboardModifier.AltModifier:
            class_id = self.class_at(*at)
            if class_id is not None:
                self._workbench.choices.choose_class(class_id)
        elif left:
            self._drawing = True
            self._tool.press(at, self.view)
            self._refresh_tool(None)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent | None) -> None:
        if event is None:
            return
        spot = position(event)
        if self._grabbed is not None:
            delta = spot - self._grabbed
            self._grabbed = spot
            self.pan(delta.x(), delta.y())
        before, self._at = self._at, self.view.to_pixel(spot.x(), spot.y())
        if self._drawing:
            self._tool.move(self._at)
        self._refresh_tool(before)
        self.pointed.emit(self._at)

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent | None) -> None:
        if event is None:
            return
        spot = position(event)
        if self._grabbed is not None and event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._grabbed = None
            self._set_hand(self._hand)
        elif self._drawing and event.button() == Qt.MouseButton.LeftButton:
            self._drawing = False
            self._tool.release(self.view.to_pixel(spot.x(), spot.y()))
            self._refresh_tool(None)

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
            self._tool.finish()

    def wheelEvent(self, event: QtGui.QWheelEvent | None) -> None:
        if event is None:
            return
        delta = event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._workbench.choices.resize(delta > 0)
        else:
            spot = position(event)
            self.zoom(NOTCH**delta, spot.x(), spot.y())
        event.accept()

    def enterEvent(self, event: QtGui.QEnterEvent | None) -> None:
        """Keys that are held act where the pointer is, unless the user is typing."""
        typed_in = (QtWidgets.QAbstractSpinBox, QtWidgets.QLineEdit)
        if not isinstance(QtWidgets.QApplication.focusWidget(), typed_in):
            self.setFocus(Qt.FocusReason.MouseFocusReason)
        super().enterEvent(event)

    def leaveEvent(self, event: QtCore.QEvent | None) -> None:
        before, self._at = self._at, None
        self._refresh_tool(before)
        self.pointed.emit(None)

    def _refresh_tool(self, before: Point | None) -> None:
        extent = self._tool.extent(self.view)
        if extent is None or (before is None and self._drawing):
            self.update()
            return
        reach = max(extent, 12.0)
        for at in (before, self._at):
            if at is not None:
                x, y = self.view.to_screen(*at)
                self.update(QtCore.QRectF(x - reach, y - reach, 2 * reach, 2 * reach).toAlignedRect())

    # --- keys ----------------------------------------------------------------------------------------------------

    def event(self, event: QtCore.QEvent | None) -> bool:
        override = QtCore.QEvent.Type.ShortcutOverride
        if isinstance(event, QtGui.QKeyEvent) and event.type() == override and self._tool.claims(event.key()):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QtGui.QKeyEvent | None) -> None:
        if event is None:
            return
        if self._tool.claims(event.key()):
            self._tool.finish()
            self.update()
        elif event.key() == Qt.Key.Key_Escape and self._tool.cancel():
            self._drawing = False
            self.update()
        elif event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._set_hand(True)
        elif event.key() == Qt.Key.Key_Backslash:
            self._workbench.choices.set_layers(original=True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QtGui.QKeyEvent | None) -> None:
        if event is None or event.isAutoRepeat():
            return
        if event.key() == Qt.Key.Key_Space:
            self._set_hand(False)
        elif event.key() == Qt.Key.Key_Backslash:
            self._workbench.choices.set_layers(original=False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QtGui.QFocusEvent | None) -> None:
        """Keys that were held are let go elsewhere."""
        self._set_hand(False)
        self._workbench.choices.set_layers(original=False)
        super().focusOutEvent(event)

    def _set_hand(self, on: bool) -> None:
        self._hand = on
        self.setCursor(Qt.CursorShape.OpenHandCursor if on else Qt.CursorShape.CrossCursor)
        self.update()

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        if self._fit_wanted:
            self.fit()
            self._fit_wanted = True
        super().resizeEvent(event)
