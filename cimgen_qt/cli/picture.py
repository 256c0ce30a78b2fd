"""Before and after, side by side, as a picture a person can look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.durable import write_bytes
from cimgen_qt.core.grid import Window
from cimgen_qt.core.raster import Labels, Pixels, RasterInfo
from cimgen_qt.core.render import Rendered
from cimgen_qt.core.snapshot import Snapshot
from cimgen_qt.opening import open_project

Rgb = NDArray[np.uint8]
LARGEST = 1600
"""Longest side of one panel."""
GAP = 8


def preview(project: Path, rendered: Rendered, target: Path) -> None:
    """Write a PNG: the photo, the edited map, the proposal."""
    with open_project(project, read_only=True) as opened:
        write_sheet(opened.snapshot(rendered.revision), rendered, target)


def write_sheet(snapshot: Snapshot, rendered: Rendered | None, target: Path) -> None:
    """The same for a snapshot; without a proposal the last panel shows what was accepted."""
    window = _shown(snapshot, rendered)
    photo, labels = snapshot.read_photo(window), snapshot.read_labels(window)
    after = snapshot.read_pixels(window)
    for patch in rendered.patches if rendered is not None else ():
        common = patch.window.intersect(window)
        if common:
            here, there = common.slices(window), common.slices(patch.window)
            after[here] = np.where(patch.mask[there][..., None], patch.pixels[there], after[here])
    look = stretch(photo, snapshot.info)
    panels = [look(photo), over(look(photo), labels, snapshot.palette.colour_table()), look(after)]
    write_bytes(target, _png(panels))


def _shown(snapshot: Snapshot, rendered: Rendered | None) -> Window:
    """What changed and some ground round it, no larger than a picture should be."""
    window = Window(0, 0, 0, 0)
    blocks = [p.window for p in rendered.patches] if rendered is not None else snapshot.pixel_blocks()
    for block in blocks:
        window = window.union(block)
    whole = snapshot.grid.window
    window = (window.padded(96) if window else whole).intersect(whole)
    row = window.row + max(0, window.height - LARGEST) // 2
    col = window.col + max(0, window.width - LARGEST) // 2
    return Window(row, col, min(window.height, LARGEST), min(window.width, LARGEST))


class stretch:  # noqa: N801 - reads as the verb it is
    """Show pixels of any kind as 8-bit RGB: as they are, or from the 2nd to the 98th percentile of a sample."""

    def __init__(self, sample: Pixels, info: RasterInfo) -> None:
        bands = [b for b in range(info.bands) if b != info.alpha]
        self._bands = bands[:3] if len(bands) >= 3 else [bands[0]] * 3
        self._plain = sample.dtype == np.uint8
        shown = sample[..., self._bands].astype(np.float64)
        finite = shown[np.isfinite(shown)]
        low, high = np.percentile(finite, (2, 98)) if finite.size else (0.0, 1.0)
        self._low, self._span = low, max(high - low, 1e-9)

    def __call__(self, pixels: Pixels) -> Rgb:
        shown = pixels[..., self._bands]
        if self._plain:
            return np.ascontiguousarray(shown)
        scaled = np.nan_to_num((shown.astype(np.float64) - self._low) / self._span)
        return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def over(photo: Rgb, labels: Labels, colours: Rgb) -> Rgb:
    """Classes over the photo, half transparent."""
    mixed = 0.45 * photo + 0.55 * colours[labels]
    return np.where((labels > 0)[..., None], mixed, photo).astype(np.uint8)


def _png(panels: Sequence[Rgb]) -> bytes:
    from PIL import Image

    height, width = panels[0].shape[:2]
    sheet = np.full((height, width * len(panels) + GAP * (len(panels) - 1), 3), 255, np.uint8)
    for number, panel in enumerate(panels):
        left = number * (width + GAP)
        sheet[:, left : left + width] = panel
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
