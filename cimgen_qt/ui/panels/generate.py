"""Generate what was painted: model, seed and blend, progress, and what becomes of the proposal."""

from __future__ import annotations

from cimgen_qt.core.blend import BlendMode
from cimgen_qt.core.jobs import Progress
from cimgen_qt.generators import list_models
from cimgen_qt.ui.compat import QtCore, QtWidgets, tr
from cimgen_qt.ui.icons import icon
from cimgen_qt.ui.words import areas_text, time_text
from cimgen_qt.ui.workbench import Workbench

_BLENDS = {
    BlendMode.MEMBRANE: ("Membrane", "The rim takes the colours of the photo, the inside keeps its own. The default."),
    BlendMode.POISSON: ("Poisson", "The colours of the photo at the rim spread all the way in."),
    BlendMode.MULTIBAND: ("Multiband", "Coarse shapes fade in over a wide rim, detail over a narrow one."),
    BlendMode.FEATHER: ("Feather", "Fades in from the rim."),
    BlendMode.REPLACE: ("Replace", "As it was made, with a hard rim."),
}


class GeneratePanel(QtWidgets.QWidget):
    """The big button says what it will do, or why it cannot."""

    def __init__(self, workbench: Workbench, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.model, self.seed, self.blend = self._recipe()
        self.button = QtWidgets.QPushButton(icon("generate"), tr("Generate"), self)
        self.button.setMinimumHeight(36)
        self.button.clicked.connect(workbench.generation.generate)
        self.cancel = QtWidgets.QPushButton(icon("cancel"), tr("&Cancel"), self)
        self.cancel.setMinimumHeight(36)
        self.cancel.clicked.connect(workbench.cancel_job)
        self.reason = QtWidgets.QLabel(self)
        self.reason.setWordWrap(True)
        self.reason.setMinimumWidth(1)  # a long text wraps; it must not push the image aside
        self.bar = QtWidgets.QProgressBar(self)
        self.bar.setAccessibleName(tr("Progress"))
        self._verdict = self._make_verdict()
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(tr("&Model"), self.model)
        form.addRow(tr("&Seed"), self.seed)
        form.addRow(tr("&Blend"), self.blend)
        column = QtWidgets.QVBoxLayout(self)
        column.addLayout(form)
        for widget in (self.button, self.cancel, self.bar, self.reason, self._verdict):
            column.addWidget(widget)
        column.addStretch(1)
        margins = column.contentsMargins()
        self.setMinimumWidth(self._verdict.minimumSizeHint().width() + margins.left() + margins.right())
        for signal in (workbench.project_changed, workbench.areas_changed, workbench.activity_changed):
            signal.connect(self._refresh)
        workbench.proposal_changed.connect(self._refresh)
        workbench.choices.recipe_changed.connect(self._show_recipe)
        workbench.progressed.connect(self._on_progress)
        self._refresh()

    def _recipe(self) -> tuple[QtWidgets.QComboBox, QtWidgets.QSpinBox, QtWidgets.QComboBox]:
        choices = self._workbench.choices
        model, seed, blend = QtWidgets.QComboBox(self), QtWidgets.QSpinBox(self), QtWidgets.QComboBox(self)
        for entry in list_models():
            if entry.card is not None and entry.card.kind == "image-to-map":
                continue
            model.addItem(entry.name, entry.source)
            model.setItemData(model.count() - 1, entry.problem or entry.origin, QtCore.Qt.ItemDataRole.ToolTipRole)
        for mode, (text, meaning) in _BLENDS.items():
            blend.addItem(tr(text), mode.value)
            blend.setItemData(blend.count() - 1, tr(meaning), QtCore.Qt.ItemDataRole.ToolTipRole)
        seed.setRange(0, 2**31 - 1)
        seed.setToolTip(tr("The same seed gives the same pixels; another seed another proposal."))
        for box in (model, blend):
            box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)
        model.setCurrentIndex(max(0, model.findData(choices.recipe.model)))
        model.currentIndexChanged.connect(lambda _: choices.set_recipe(model=str(model.currentData())))
        seed.valueChanged.connect(lambda value: choices.set_recipe(seed=value))
        blend.currentIndexChanged.connect(lambda _: choices.set_blend_mode(BlendMode(blend.currentData())))
        return model, seed, blend

    def _make_verdict(self) -> QtWidgets.QWidget:
        """Accept, Discard, Try again."""
        box = QtWidgets.QWidget(self)
        row = QtWidgets.QGridLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        self.accept = QtWidgets.QPushButton(icon("accept"), tr("&Accept"), box)
        self.accept.setToolTip(tr("Make the proposal part of the scene (Enter)"))
        self.accept.clicked.connect(self._workbench.generation.accept)
        self.discard = QtWidgets.QPushButton(icon("discard"), tr("&Discard"), box)
        self.discard.setToolTip(tr("Drop the proposal (Delete)"))
        self.discard.clicked.connect(self._workbench.generation.discard)
        self.again = QtWidgets.QPushButton(icon("again"), tr("&Try again with the next seed"), box)
        self.again.clicked.connect(self._workbench.generation.try_again)
        row.addWidget(self.accept, 0, 0)
        row.addWidget(self.discard, 0, 1)
        row.addWidget(self.again, 1, 0, 1, 2)
        return box

    def _refresh(self, *_: object) -> None:
        workbench = self._workbench
        running = workbench.job == "render"
        proposal = workbench.proposal
        ready = proposal is not None and proposal.rendered is not None and not running
        why = self._why_not()
        self.button.setVisible(not running)
        self.button.setEnabled(not why)
        areas = workbench.areas
        self.button.setText(tr("Generate {}").format(areas_text(areas)) if areas else tr("Generate"))
        self.button.setToolTip(why or tr("Ctrl+Enter"))
        self.cancel.setVisible(running)
        self.bar.setVisible(running)
        if not running:
            self.bar.setRange(0, 0)
        self._verdict.setVisible(ready)
        self.reason.setVisible(bool(why) or running or ready)
        if ready and proposal is not None and proposal.rendered is not None:
            said = tr("Made in {:.1f} s by {} with seed {}. Nothing is applied yet.")
            rendered = proposal.rendered
            made = said.format(rendered.seconds, rendered.model["name"], rendered.seed)
            self.reason.setText("\n\n".join([made, *rendered.warnings]))
        elif not running:
            self.reason.setText(why)
        for widget in (self.model, self.seed, self.blend):
            widget.setEnabled(not running)

    def _why_not(self) -> str:
        """Why nothing can be generated now; empty where it can."""
        workbench = self._workbench
        if workbench.scene is None:
            return tr("Open an image first.")
        if workbench.job:
            return tr("Another job is running.")
        if workbench.areas is None:
            return tr("Counting what changed.")
        if not workbench.areas:
            return tr("The map does not differ from what the pixels show. Paint first.")
        return ""

    def _show_recipe(self) -> None:
        recipe = self._workbench.choices.recipe
        self.seed.setValue(recipe.seed)
        self.model.setCurrentIndex(max(0, self.model.findData(recipe.model)))
        self.blend.setCurrentIndex(self.blend.findData(recipe.blend.mode.value))

    def _on_progress(self, progress: Progress, left: float | None) -> None:
        if self._workbench.job != "render":
            return
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(progress.fraction * 1000))
        self.reason.setText(", ".join(part for part in (progress.text, time_text(left)) if part))
