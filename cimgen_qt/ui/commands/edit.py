"""The Edit menu: history, class and pen."""

from __future__ import annotations

from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import later
from cimgen_qt.ui.workbench import Workbench

WORDS = (
    Word("undo", later("&Undo"), ("Ctrl+Z",), "undo"),
    Word("redo", later("&Redo"), ("Ctrl+Y", "Ctrl+Shift+Z"), "redo"),
    Word("last_class", later("&Last class"), ("X",)),
    Word("smaller", later("&Smaller brush"), ("[", "Ctrl+Alt+-")),
    Word("larger", later("L&arger brush"), ("]", "Ctrl+Alt++")),
)
MENU = ("undo", "redo", "", "last_class", "smaller", "larger")


def slots(workbench: Workbench) -> Slots:
    """What they do."""
    choices = workbench.choices
    return {
        "undo": workbench.undo,
        "redo": workbench.redo,
        "last_class": choices.swap_classes,
        "smaller": lambda: choices.resize(up=False),
        "larger": lambda: choices.resize(up=True),
    }
