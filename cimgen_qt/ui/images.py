"""Pixels and classes as pictures: stretch for display, colours with hatches, swatches, the checkerboard."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.palette import Palette, SemanticClass
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.ui.compat import QtCore, QtGui, pointer

Argb = NDArray[np.uint32]
"""0xAARRGGBB with colours multiplied by alpha, as Qt keeps it."""
HATCH = 8
"""Period of a hatch in pixels of the tile."""


class Stretch:
    """Shows pixels of any kind as 8-bit colours: 8 bits as they are, others from 2 to 98 % of `sample`, band by band.

    Nodata, not-a-number and the alpha band become transparent.
    """

    def __init__(self, info: RasterInfo, sample: Pixels) -> None:
        self._alpha = info.alpha
        self._bands = shown_bands(info)
        self._nodata = info.nodata
        self._plain = info.dtype == "uint8"
        self._top = 255.0 if self._plain else float(np.iinfo(info.dtype).max) if sample.dtype.kind in "ui" else 1.0
        valid = self.valid(sample)
        limits = [(0.0, 255.0) if self._plain else _percentiles(sample[..., b][valid]) for b in self._bands]
        self._low = np.array([low for low, _ in limits], np.float32)
        self._span = np.array([high - low for low, high in limits], np.float32)

    def valid(self, pixels: Pixels) -> Mask:
        """True where a pixel holds data, by its values."""
        bands = [b for b in range(pixels.shape[2]) if b != self._alpha]
        empty = np.ones(pixels.shape[:2], bool)
        for band in bands:
            nodata = self._nodata[band] if band < len(self._nodata) else None
            values = pixels[..., band]
            gone = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
            if nodata is not None:
                gone |= values == nodata
            empty &= gone
            if not empty.any():
                break
        return ~empty

    def __call__(self, pixels: Pixels) -> Argb:
        """Shape (height, width)."""
        shown = pixels[..., self._bands]
        if self._plain:
            rgb = shown.astype(np.uint32)
        else:
            scaled = np.nan_to_num((shown.astype(np.float32) - self._low) / self._span)
            rgb = (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint32)
        return packed(rgb, self._opacity(pixels))

    def _opacity(self, pixels: Pixels) -> NDArray[np.uint32] | None:
        valid = self.valid(pixels)
        alpha = None
        if self._alpha is not None:
            share = np.clip(pixels[..., self._alpha].astype(np.float32) / self._top, 0, 1)
            alpha = (share * 255).astype(np.uint32)
        if valid.all():
            return alpha
        return np.where(valid, 255 if alpha is None else alpha, 0).astype(np.uint32)


def shown_bands(info: RasterInfo) -> list[int]:
    """Red, green and blue by their names, else the first three, else the first three times."""
    if {"red", "green", "blue"} <= set(info.colours):
        return [info.colours.index(name) for name in ("red", "green", "blue")]
    bands = [b for b in range(info.bands) if b != info.alpha]
    return bands[:3] if len(bands) >= 3 else bands[:1] * 3


def packed(rgb: NDArray[np.uint32], alpha: NDArray[np.uint32] | None = None) -> Argb:
    """Three bands of 0-255 (and alpha) in one number a pixel."""
    if alpha is None:
        return (rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2] | np.uint32(0xFF000000)).astype(np.uint32)
    rgb = rgb * alpha[..., None] // 255
    return (alpha << 24 | rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]).astype(np.uint32)


def image_over(argb: Argb) -> QtGui.QImage:
    """A QImage that shares the memory of `argb`: keep the array as long as the image, and paint by writing to it."""
    height, width = argb.shape
    opaque = bool((argb >> 24 == 255).all())
    kind = QtGui.QImage.Format.Format_RGB32 if opaque else QtGui.QImage.Format.Format_ARGB32_Premultiplied
    return QtGui.QImage(pointer(argb.ctypes.data, argb.nbytes), width, height, argb.strides[0], kind)


def label_image(argb: Argb) -> QtGui.QImage:
    """The same, always with transparency, as classes come and go."""
    height, width = argb.shape
    kind = QtGui.QImage.Format.Format_ARGB32_Premultiplied
    return QtGui.QImage(pointer(argb.ctypes.data, argb.nbytes), width, height, argb.strides[0], kind)


class ClassColours:
    """Colours of classes with their hatch, by id and by place within the hatch; unlabelled ground is clear."""

    def __init__(self, palette: Palette) -> None:
        self._table = np.zeros((256, HATCH, HATCH), np.uint32)
        plain = packed(palette.colour_table().astype(np.uint32))
        self._table[:] = plain[:, None, None]
        for known in palette:
            dark = packed(np.array(hatch_colour(known.colour), np.uint32))
            self._table[known.id][hatch(known.pattern)] = dark
        self._table[0] = 0

    def __call__(self, labels: Labels, row: int = 0, col: int = 0) -> Argb:
        """`row` and `col`: where the first pixel lies, so that the hatch runs on over the edges of tiles."""
        rows = (np.arange(labels.shape[0]) + row) % HATCH
        cols = (np.arange(labels.shape[1]) + col) % HATCH
        return self._table[labels, rows[:, None], cols[None, :]]


def hatch(pattern: str) -> Mask:
    """One period of a hatch: True where its lines run."""
    row, col = np.mgrid[0:HATCH, 0:HATCH]
    fall, rise = (row - col) % HATCH == 0, (row + col) % HATCH == HATCH - 1
    lines: dict[str, Mask] = {
        "solid": np.zeros((HATCH, HATCH), bool),
        "horizontal": row % 4 == 1,
        "vertical": col % 4 == 1,
        "cross": (row % HATCH == 3) | (col % HATCH == 3),
        "diagonal": rise,
        "backdiagonal": fall,
        "diagcross": rise | fall,
        "dots": ((row % 4) == 1) & (((col + 2 * (row // 4)) % 4) == 1),
    }
    return lines[pattern]


def hatch_colour(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Darker than a light colour, lighter than a dark one: seen on it without shouting."""
    red, green, blue = colour
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    if light > 90:
        return int(red * 0.62), int(green * 0.62), int(blue * 0.62)
    return int(red + (255 - red) * 0.4), int(green + (255 - green) * 0.4), int(blue + (255 - blue) * 0.4)


def swatch(known: SemanticClass, width: int = 36, height: int = 20) -> QtGui.QPixmap:
    """The colour and hatch of a class as a small picture with a rim."""
    colours = ClassColours(Palette((known,)))
    argb = colours(np.full((height, width), known.id, np.uint8))
    if known.id == 0:
        argb = checkers(height, width)
    pixmap = QtGui.QPixmap.fromImage(label_image(argb).copy())
    painter = QtGui.QPainter(pixmap)
    painter.setPen(QtGui.QColor(0, 0, 0, 120))
    painter.drawRect(QtCore.QRect(0, 0, width - 1, height - 1))
    painter.end()
    return pixmap


def checkers(height: int, width: int, side: int = 8) -> Argb:
    """Light and dark squares, as they stand for "nothing here"."""
    row, col = np.mgrid[0:height, 0:width] // side
    return np.where((row + col) % 2 == 0, np.uint32(0xFFC8C8C8), np.uint32(0xFFA0A0A0)).astype(np.uint32)


def _percentiles(values: NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite.astype(np.float64), (2, 98))
    return float(low), float(max(high, low + 1e-6))
