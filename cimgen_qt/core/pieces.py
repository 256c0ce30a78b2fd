"""Cut a change into pieces that are blended by themselves, and find the photo that each blends into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Labels, Mask


@dataclass(frozen=True, slots=True)
class Piece:
    """`window` is the piece and what it blends into; the planes have its shape."""

    window: Window
    inside: Mask
    ground: Mask
    """Pixels of the photo that the piece is to meet; never inside."""


def pieces_of(wanted: Mask, ground: Mask, labels: Labels | None, margin: int) -> Iterator[Piece]:
    """All of it at once without `labels`; with them one piece a class, which meets ground of its class alone."""
    window = _box(wanted)
    if not window:
        return
    whole = window.padded(margin).intersect(Window(0, 0, *wanted.shape))
    inside, around = wanted[whole.slices()], ground[whole.slices()]
    classes = None if labels is None else labels[whole.slices()]
    if classes is None or classes.min() == classes.max():
        yield Piece(whole, inside, around)
        return
    for class_id in np.flatnonzero(np.bincount(classes[inside], minlength=1)).tolist():
        same: Mask = classes == class_id
        mine = inside & same
        window = _box(mine).padded(margin).intersect(Window(0, 0, *same.shape))
        here = window.slices()
        yield Piece(window.shifted(whole.row, whole.col), mine[here], (same & around)[here])


def _box(mask: Mask) -> Window:
    """The smallest window round the True pixels; empty where there are none."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return Window(0, 0, 0, 0)
    row, col = int(rows[0]), int(cols[0])
    return Window(row, col, int(rows[-1]) + 1 - row, int(cols[-1]) + 1 - col)
