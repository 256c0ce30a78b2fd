"""The Tools menu: what the left button does."""

from __future__ import annotations

from functools import partial

from cimgen_qt.ui.canvas import Canvas
from cimgen_qt.ui.commands.word import Slots, Word
from cimgen_qt.ui.compat import later
from cimgen_qt.ui.tools.toolbox import TOOLS
from cimgen_qt.ui.workbench import Workbench

WORDS = (
    Word("brush", later("&Brush"), ("B",), "brush", tool=True),
    Word("eraser", later("&Eraser: restore the original"), ("E",), "eraser", tool=True),
    Word("rectangle", later("&Rectangle"), ("R",), "rectangle", tool=True),
    Word("polygon", later("&Polygon"), ("P",), "polygon", tool=True),
    Word("fill", later("&Fill connected ground"), ("F",), "fill", tool=True),
)
MENU = ("brush", "eraser", "rectangle", "polygon", "fill")


def slots(workbench: Workbench, canvas: Canvas) -> Slots:
    """From now on the left button is this tool."""

    def use(name: str) -> None:
        canvas.set_tool(TOOLS[name](workbench))
        canvas.setFocus()

    return {name: partial(use, name) for name in TOOLS}
