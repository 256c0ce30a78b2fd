"""Short texts: first steps, shortcuts, about."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cimgen_qt import __version__
from cimgen_qt.ui.compat import Qt, QtWidgets, tr

_STEPS = (
    "<p><b>1 Open image.</b> File &gt; New from image. The image is only read, never written to.</p>"
    "<p><b>2 Map.</b> Take a class map along, or begin with an empty one.</p>"
    "<p><b>3 Paint.</b> Choose a class (digits) and a tool (B brush, R rectangle, P polygon, F fill); E restores the "
    "original. [ and ] change the size of the brush. Everything is saved at once; Ctrl+Z takes it back.</p>"
    "<p><b>4 Generate.</b> Ctrl+Enter makes a proposal for what changed. Enter accepts it, Delete discards it. "
    "Pixels outside the change stay exactly as they are; Export proves it.</p>"
    "<p>H hides the map; hold \\ to see the original photo; hold Space to pan; the wheel zooms.</p>"
)


def show_first_steps(parent: QtWidgets.QWidget) -> None:
    """The way from an image to an export."""
    _show(parent, tr("First steps"), tr(_STEPS))


def show_shortcuts(parent: QtWidgets.QWidget, keys: Sequence[tuple[str, str]]) -> None:
    """All keys."""
    rows = "".join(f"<tr><td><b>{escape(k)}</b>&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>" for k, text in keys)
    _show(parent, tr("Shortcuts"), f"<table cellspacing='3'>{rows}</table>")


def show_about(parent: QtWidgets.QWidget) -> None:
    """Name, version, licence."""
    text = tr("Repaint the class map of an aerial image and get new pixels, exact to the pixel.")
    licence = tr("Free software under the GNU General Public License, version 2 or later.")
    _show(parent, tr("About CIMGen"), f"<h3>CIMGen {__version__}</h3><p>{text}</p><p>{licence}</p>")


def _show(parent: QtWidgets.QWidget, title: str, html: str) -> None:
    dialog = QtWidgets.QDialog(parent)
    dialog.setWindowTitle(title)
    label = QtWidgets.QLabel(html, dialog)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    label.setMinimumWidth(460)
    area = QtWidgets.QScrollArea(dialog)
    area.setWidgetResizable(True)
    area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
    area.setWidget(label)
    box = QtWidgets.QDialogButtonBox(QtWidgets.QDialogButtonBox.StandardButton.Close, dialog)
    box.rejected.connect(dialog.reject)
    column = QtWidgets.QVBoxLayout(dialog)
    column.addWidget(area, 1)
    column.addWidget(box)
    dialog.resize(540, min(640, label.sizeHint().height() + 90))
    dialog.exec()
    dialog.deleteLater()
