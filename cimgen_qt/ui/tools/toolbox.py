"""Every tool by the name of its action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cimgen_qt.ui.tools.brush import BrushTool
from cimgen_qt.ui.tools.fill import FillTool
from cimgen_qt.ui.tools.polygon import PolygonTool
from cimgen_qt.ui.tools.rectangle import RectangleTool
from cimgen_qt.ui.tools.tool import Tool
from cimgen_qt.ui.workbench import Workbench

TOOLS: Mapping[str, Callable[[Workbench], Tool]] = {
    "brush": BrushTool,
    "eraser": partial(BrushTool, restore=True),
    "rectangle": RectangleTool,
    "polygon": PolygonTool,
    "fill": FillTool,
}
