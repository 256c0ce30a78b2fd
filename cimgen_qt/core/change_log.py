"""Write down what an act changed: rows of the change table, with outlines that any GIS can draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cimgen_qt.core.grid import Window
from cimgen_qt.core.outline import outline
from cimgen_qt.core.project import ActWriter, Project
from cimgen_qt.core.raster import Labels, Mask

LARGEST_OUTLINE = 4096 * 4096
"""Above this many pixels change polygons are drawn chunk by chunk."""


def log_changes(
    act: ActWriter,
    project: Project,
    parts: list[tuple[Window, Labels, Labels]],
    extra: Mapping[str, Any],
    mask: Mask | None = None,
) -> None:
    """Rows of the change table: one for each pair of classes (and, for very large edits, each chunk)."""
    bounds = Window(0, 0, 0, 0)
    for window, _, _ in parts:
        bounds = bounds.union(window)
    if len(parts) > 1 and bounds.area <= LARGEST_OUTLINE:
        old, new = np.zeros(bounds.shape, np.uint8), np.zeros(bounds.shape, np.uint8)
        for window, before, after in parts:
            old[window.slices(bounds)], new[window.slices(bounds)] = before, after
        parts = [(bounds, old, new)]
    for window, before, after in parts:
        differs = (before != after) if mask is None else mask
        pairs = np.unique(before[differs].astype(np.int32) * 256 + after[differs])
        for pair in pairs.tolist():
            found = differs & (before == pair // 256) & (after == pair % 256)
            _log_pair(act, project, window, found, (pair // 256, pair % 256), extra)


def _log_pair(
    act: ActWriter, project: Project, window: Window, mask: Mask, pair: tuple[int, int], extra: Mapping[str, Any]
) -> None:
    pixels, size = int(mask.sum()), project.grid.pixel_area
    polygons = [[[project.grid.xy(row, col) for row, col in ring] for ring in rings] for rings in outline(mask, window)]
    row = {
        "class_from": project.palette.name_of(pair[0]),
        "class_to": project.palette.name_of(pair[1]),
        "pixels": pixels,
        "area_m2": None if size is None else pixels * size,
        **extra,
    }
    act.change(row, polygons)
