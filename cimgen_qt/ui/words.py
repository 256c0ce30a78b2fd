"""Areas, times and counts in words, as several widgets say them."""

from __future__ import annotations

from collections.abc import Sequence

from cimgen_qt.core.scope import Area
from cimgen_qt.ui.compat import tr


def areas_text(areas: Sequence[Area]) -> str:
    """Such as "3 areas, 0.42 ha"; in pixels where the size of a pixel is not known."""
    count = tr("1 area") if len(areas) == 1 else tr("{} areas").format(len(areas))
    metres = [area.square_metres for area in areas if area.square_metres is not None]
    size = area_text(sum(metres)) if len(metres) == len(areas) else f"{sum(a.pixels for a in areas)} px"
    return f"{count}, {size}"


def area_text(square_metres: float) -> str:
    """Hectares, or square metres where that is less than a hundredth of one."""
    if square_metres < 100:
        return f"{square_metres:.0f} m²"
    return f"{square_metres / 10_000:.2f} ha"


def time_text(seconds: float | None) -> str:
    """Such as "about 2 min left"; empty while it is not known."""
    if seconds is None:
        return ""
    if seconds < 1.5:
        return tr("about 1 s left")
    if seconds < 90:
        return tr("about {} s left").format(round(seconds))
    return tr("about {} min left").format(round(seconds / 60))
