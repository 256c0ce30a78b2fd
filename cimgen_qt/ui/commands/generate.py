"""The Generate menu: from changed ground to new pixels."""

from __future__ import annotations

from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import later
from cimgen_qt.ui.workbench import Workbench

WORDS = (
    Word("generate", later("&Generate"), ("Ctrl+Return", "Ctrl+Enter"), "generate"),
    Word("cancel", later("&Cancel the job"), ("Ctrl+.",), "cancel", "job"),
    Word("accept", later("&Accept the proposal"), ("Return", "Enter"), "accept", "proposal", on_canvas=True),
    Word("discard", later("&Discard the proposal"), ("Delete",), "discard", "proposal", on_canvas=True),
    Word("again", later("&Try again with the next seed"), ("Ctrl+R",), "again", "proposal"),
)
MENU = ("generate", "cancel", "", "accept", "discard", "again")


def slots(workbench: Workbench) -> Slots:
    """What they do."""
    generation = workbench.generation
    return {
        "generate": generation.generate,
        "cancel": workbench.cancel_job,
        "accept": generation.accept,
        "discard": generation.discard,
        "again": generation.try_again,
    }
