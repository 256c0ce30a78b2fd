"""The Help menu."""

from __future__ import annotations

from collections.abc import Callable

from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import QtWidgets, later
from cimgen_qt.ui.help import show_about, show_first_steps, show_shortcuts

WORDS = (
    Word("help", later("&First steps"), ("F1",), "help", ""),
    Word("shortcuts", later("&Shortcuts"), ("Ctrl+/",), "", ""),
    Word("about", later("&About CIMGen"), (), "", ""),
)
MENU = ("help", "shortcuts", "", "about")


def slots(window: QtWidgets.QWidget, keys: Callable[[], list[tuple[str, str]]]) -> Slots:
    """`keys`: all keys and what they do."""
    return {
        "help": lambda: show_first_steps(window),
        "shortcuts": lambda: show_shortcuts(window, keys()),
        "about": lambda: show_about(window),
    }
