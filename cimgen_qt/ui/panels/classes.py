"""The classes of the palette with colour, hatch and key; the one that is chosen is painted."""

from __future__ import annotations

from cimgen_qt.core.palette import SemanticClass
from cimgen_qt.ui.compat import Qt, QtCore, QtGui, QtWidgets, tr
from cimgen_qt.ui.images import swatch
from cimgen_qt.ui.workbench import Workbench

_CLASS = Qt.ItemDataRole.UserRole


class ClassesPanel(QtWidgets.QWidget):
    """A click or a digit chooses."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.list = QtWidgets.QTreeWidget(self)
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setIconSize(QtCore.QSize(36, 20))
        self.list.setAccessibleName(tr("Classes"))
        self.list.setSizeAdjustPolicy(QtWidgets.QAbstractScrollArea.SizeAdjustPolicy.AdjustToContents)
        self.list.currentItemChanged.connect(self._on_item)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.list)
        workbench.project_changed.connect(self._fill)
        workbench.choices.pen_changed.connect(self._mark)
        self._fill()

    def _fill(self) -> None:
        scene = self._workbench.scene
        self.list.blockSignals(True)
        self.list.clear()
        for known in scene.palette if scene is not None else ():
            item = QtWidgets.QTreeWidgetItem([known.name, known.key])
            item.setIcon(0, _icon(known))
            item.setData(0, _CLASS, known.id)
            item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            key = tr("key {}").format(known.key) if known.key else tr("no key")
            item.setToolTip(0, f"{known.name} ({known.id}), {key}")
            self.list.addTopLevelItem(item)
        header = self.list.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QtWidgets.QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QtWidgets.QHeaderView.ResizeMode.ResizeToContents)
        self.list.blockSignals(False)
        if scene is not None and scene.palette.get(self._workbench.choices.pen.class_id) is None:
            ids = [known.id for known in scene.palette if known.id] or [0]
            self._workbench.choices.set_pen(class_id=ids[0], last_class=ids[-1])
        self._mark()

    def _mark(self) -> None:
        for number in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(number)
            if item is not None and item.data(0, _CLASS) == self._workbench.choices.pen.class_id:
                self.list.setCurrentItem(item)

    def _on_item(self, item: QtWidgets.QTreeWidgetItem | None, _before: object) -> None:
        if item is not None:
            self._workbench.choices.choose_class(int(item.data(0, _CLASS)))


def _icon(known: SemanticClass) -> QtGui.QIcon:
    """The same picture for a chosen row: Qt would tint it, and a class would have two colours."""
    pixmap = swatch(known)
    icon = QtGui.QIcon(pixmap)
    icon.addPixmap(pixmap, QtGui.QIcon.Mode.Selected)
    return icon
