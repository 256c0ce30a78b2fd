"""The two forms of the program: make a project from an image, and export it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cimgen_qt.paths import unnamed_projects
from cimgen_qt.ui.compat import QtCore, QtWidgets, tr
from cimgen_qt.ui.workbench import Workbench

IMAGES = "Images (*.tif *.tiff *.png *.jpg *.jpeg)"
MAPS = "Maps (*.tif *.tiff *.png *.gpkg *.geojson *.json *.shp)"
PALETTES = "Palettes (*.toml *.qml *.clr *.txt *.csv)"
PROFILES = {
    "same": "Like the source: same tiling and compression",
    "cog": "Cloud optimised GeoTIFF",
    "patch": "Only what changed",
}


class PathField(QtWidgets.QWidget):
    """A line for a path with a button that looks for one; `save` asks for a new file."""

    def __init__(self, caption: str, pattern: str, save: bool = False, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption, self._pattern, self._save = caption, pattern, save
        self.line = QtWidgets.QLineEdit(self)
        self.line.setMinimumWidth(340)
        button = QtWidgets.QToolButton(self)
        button.setText("…")
        button.setAccessibleName(tr("Browse: {}").format(caption))
        button.clicked.connect(self._browse)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(button)
        self.setFocusProxy(self.line)

    def path(self) -> Path | None:
        """None while the line is empty."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def _browse(self) -> None:
        ask = QtWidgets.QFileDialog.getSaveFileName if self._save else QtWidgets.QFileDialog.getOpenFileName
        once = QtWidgets.QFileDialog.Option.DontConfirmOverwrite  # whoever takes the path asks
        chosen, _ = ask(self, self._caption, self.line.text(), self._pattern, options=once)
        if chosen:
            self.line.setText(chosen)


class NewDialog(QtWidgets.QDialog):
    """Image, and if there are any, map and palette."""

    def __init__(self, image: Path | None = None, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("New from image"))
        self.image = PathField(tr("Image"), IMAGES, parent=self)
        self.map = PathField(tr("Map"), MAPS, parent=self)
        self.palette_file = PathField(tr("Palette"), PALETTES, parent=self)
        self.project = PathField(tr("Project"), "CIMGen (*.cimgen)", save=True, parent=self)
        self.map.line.setPlaceholderText(tr("none: start with an empty map"))
        self.palette_file.line.setPlaceholderText(tr("the palette of the program"))
        form = QtWidgets.QFormLayout()
        form.addRow(tr("&Image"), self.image)
        form.addRow(tr("&Map (optional)"), self.map)
        form.addRow(tr("&Palette (optional)"), self.palette_file)
        form.addRow(tr("P&roject"), self.project)
        self._buttons = _buttons(self, tr("Make"))
        column = QtWidgets.QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self._buttons)
        self.image.line.textChanged.connect(self._on_image)
        self.image.line.setText("" if image is None else str(image))
        self._on_image()

    def request(self) -> dict[str, Any]:
        """A `tasks.NewRequest` in plain values."""
        map_, palette = self.map.path(), self.palette_file.path()
        request: dict[str, Any] = {"project": str(self.project.path()), "image": str(self.image.path())}
        if map_ is not None:
            request["map"] = {"path": str(map_)}
        if palette is not None:
            request["palette"] = str(palette)
        return request

    def _on_image(self) -> None:
        image = self.image.path()
        self.project.line.setText("" if image is None else str(free_name(image.stem)))
        ok = self._buttons.button(QtWidgets.QDialogButtonBox.StandardButton.Ok)
        if ok is not None:
            ok.setEnabled(image is not None)


class ExportDialog(QtWidgets.QDialog):
    """Target and profile; it starts the export, follows it and shows its proof."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.setWindowTitle(tr("Export"))
        self.target = PathField(tr("Target"), "GeoTIFF (*.tif)", save=True, parent=self)
        opened = workbench.opened
        if opened is not None:
            name = f"{opened.reader.path.stem}_edited.tif"
            self.target.line.setText(str(export_folder(opened.project.path) / name))
        self.profile = QtWidgets.QComboBox(self)
        for name, text in PROFILES.items():
            self.profile.addItem(tr(text), name)
        self.bar = QtWidgets.QProgressBar(self)
        self.bar.hide()
        self.said = QtWidgets.QLabel(self)
        self.said.setWordWrap(True)
        self.said.setMinimumWidth(420)
        form = QtWidgets.QFormLayout()
        form.addRow(tr("&Target"), self.target)
        form.addRow(tr("&Profile"), self.profile)
        self._buttons = _buttons(self, tr("Export"), self._on_export)
        column = QtWidgets.QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.bar)
        column.addWidget(self.said)
        column.addWidget(self._buttons)
        workbench.exported.connect(self._on_exported)
        workbench.progressed.connect(self._on_progress)
        workbench.activity_changed.connect(self._on_activity)
        workbench.told.connect(self._on_told)

    def _on_export(self) -> None:
        target = self.target.path()
        if target is None or (target.exists() and not self._may_replace(target)):
            return
        self.said.clear()
        request = {"target": str(target), "profile": str(self.profile.currentData()), "overwrite": target.exists()}
        self._workbench.export(request)

    def _may_replace(self, target: Path) -> bool:
        text = tr("{} exists already. Replace it and the files beside it that belong to it?").format(target.name)
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon.Question, tr("Export"), text, buttons.Cancel, self)
        replace = box.addButton(tr("Replace"), QtWidgets.QMessageBox.ButtonRole.DestructiveRole)
        box.exec()
        return box.clickedButton() is replace

    def _on_progress(self, progress: Any, _left: float | None) -> None:
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(progress.fraction * 1000))
        self.said.setText(progress.text)

    def _on_activity(self) -> None:
        running = self._workbench.job == "export"
        self.bar.setVisible(running)
        ok = self._buttons.button(QtWidgets.QDialogButtonBox.StandardButton.Ok)
        if ok is not None:
            ok.setEnabled(not running)

    def _on_exported(self, result: dict[str, Any]) -> None:
        lines, proof = [str(line) for line in result.get("lines", ())], str(result.get("proof", ""))
        if not any(proof in line for line in lines):
            lines.append(proof)
        self.said.setText("\n".join(lines))
        close = self._buttons.button(QtWidgets.QDialogButtonBox.StandardButton.Cancel)
        if close is not None:
            close.setText(tr("Close"))

    def _on_told(self, message: str, hint: str, _error: bool) -> None:
        self.said.setText(f"{message}\n{hint}".strip())

    def reject(self) -> None:
        """Leaving while it runs cancels it."""
        if self._workbench.job == "export":
            self._workbench.cancel_job()
        super().reject()


def export_folder(project: Path) -> Path:
    """Beside a project that the user named, else in the documents: never beside the source unless the user says so."""
    if project.parent != unnamed_projects():
        return project.parent
    places = QtCore.QStandardPaths.StandardLocation
    return Path(QtCore.QStandardPaths.writableLocation(places.DocumentsLocation) or Path.home())


def free_name(stem: str) -> Path:
    """A project path in the user's data folder that nothing has yet."""
    folder = unnamed_projects()
    path, number = folder / f"{stem}.cimgen", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.cimgen", number + 1
    return path


def _buttons(dialog: QtWidgets.QDialog, text: str, begin: Any = None) -> QtWidgets.QDialogButtonBox:
    kinds = QtWidgets.QDialogButtonBox.StandardButton
    box = QtWidgets.QDialogButtonBox(kinds.Ok | kinds.Cancel, dialog)
    ok = box.button(kinds.Ok)
    if ok is not None:
        ok.setText(text)
    box.accepted.connect(dialog.accept if begin is None else begin)
    box.rejected.connect(dialog.reject)
    return box
