"""The View menu: where the user looks, and what is shown."""

from __future__ import annotations

from cimgen_qt.ui.canvas import Canvas
from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import later
from cimgen_qt.ui.workbench import Workbench

WORDS = (
    Word("fit", later("&Fit"), ("Ctrl+0",), "fit"),
    Word("actual", later("&One pixel to one"), ("Ctrl+1",)),
    Word("nearer", later("Zoom &in"), ("+", "Ctrl++", "Ctrl+=")),
    Word("farther", later("Zoom &out"), ("-", "Ctrl+-")),
    Word("hide_map", later("&Hide the map"), ("H",), "map", toggle=True),
)
MENU = ("fit", "actual", "nearer", "farther", "", "hide_map", "", "panels")


def slots(workbench: Workbench, canvas: Canvas) -> Slots:
    """What they do."""
    choices = workbench.choices
    return {
        "fit": canvas.fit,
        "actual": lambda: canvas.set_scale(1.0 / canvas.devicePixelRatioF()),
        "nearer": lambda: canvas.zoom(1.5),
        "farther": lambda: canvas.zoom(1 / 1.5),
        "hide_map": lambda: choices.set_layers(map_shown=not choices.layers.map_shown),
    }
