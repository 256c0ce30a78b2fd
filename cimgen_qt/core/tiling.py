"""Cut changed ground into squares that a generator can take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.grid import Grid, Window

SAME_RESOLUTION = 0.02
"""A model whose ground resolution is as near as this to the scene's is fed without resampling."""

MOST_PARTS = 24
"""Of more parts in one tile only their common window is looked at."""


@dataclass(frozen=True, slots=True)
class Tile:
    """`inner` is kept; `outer` adds the margin that the generator needs to see and may reach over the grid's edge.

    `height` and `width` are what `outer` measures at the model's ground resolution.
    """

    inner: Window
    outer: Window
    height: int
    width: int

    @property
    def resampled(self) -> bool:
        return (self.height, self.width) != self.outer.shape


@dataclass(frozen=True, slots=True)
class Lattice:
    """A fixed net of cells from the grid's first pixel on: which tile a pixel lies in depends on nothing painted.

    `scale` is model pixels per scene pixel, along rows and columns.
    """

    spec: GeneratorSpec
    scale: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, spec: GeneratorSpec, grid: Grid) -> Lattice:
        """The lattice of a generator on a scene whose pixel size is known or not (then: pixel for pixel)."""
        size = grid.pixel_size
        if spec.metres_per_pixel is None or size is None:
            return cls(spec)
        scale = (size[0] / spec.metres_per_pixel, size[1] / spec.metres_per_pixel)
        near = all(abs(s - 1) <= SAME_RESOLUTION for s in scale)
        return cls(spec) if near else cls(spec, scale)

    @property
    def cell(self) -> tuple[int, int]:
        """Rows and columns of a cell in scene pixels."""
        side = self.spec.tile or max(self.spec.stride, self.spec.largest - 2 * self._halo)
        return max(1, round(side / self.scale[0])), max(1, round(side / self.scale[1]))

    @property
    def _halo(self) -> int:
        """Margin in model pixels, a multiple of the stride so that tiles stay aligned."""
        return -(-self.spec.halo // self.spec.stride) * self.spec.stride

    def tiles_under(self, window: Window) -> Iterator[Tile]:
        """Tiles whose inner windows cover `window`, row by row."""
        rows, cols = self.cell
        for row in range(window.row // rows, -(-window.bottom // rows)):
            for col in range(window.col // cols, -(-window.right // cols)):
                yield self._tile(Window(row * rows, col * cols, rows, cols))

    @property
    def cuts(self) -> bool:
        """Whether a tile may be cut: a resampled one may not, for its pixels depend on where it begins."""
        return self.spec.exact and self.spec.tile > 0 and self.scale == (1.0, 1.0)

    def cut(self, tile: Tile, needed: Sequence[Window]) -> list[Tile]:
        """Smaller tiles, in whole strides, that together hold `needed` parts of `tile.inner`; never more to feed.

        Aligned and with the whole halo, they hold the same pixels as the tile itself. Parts that are cheaper to make
        together than one by one are joined.
        """
        if not self.cuts or not needed:
            return [tile]
        inner = _joined([self._aligned(window) for window in needed], 2 * self._halo)
        made = [self._tile(window) for window in inner]
        return made if sum(part.outer.area for part in made) < tile.outer.area else [tile]

    def plain(self, window: Window) -> Tile:
        """`window` without a margin."""
        return Tile(window, window, *self._measure(window))

    def _aligned(self, window: Window) -> Window:
        stride = self.spec.stride
        row, col = window.row // stride * stride, window.col // stride * stride
        return Window(row, col, -(-window.bottom // stride) * stride - row, -(-window.right // stride) * stride - col)

    def whole(self, window: Window, grid: Grid) -> Tile | None:
        """One tile for all of `window`, for a generator that takes areas whole; None if it is too large for that."""
        if self.spec.tile:
            return None
        margins = [math.ceil(self._halo / s) for s in self.scale]
        outer = Window(
            window.row - margins[0],
            window.col - margins[1],
            window.height + 2 * margins[0],
            window.width + 2 * margins[1],
        ).intersect(grid.window)
        tile = Tile(window, outer, *self._measure(outer))
        return tile if max(tile.height, tile.width) <= self.spec.largest else None

    def _tile(self, inner: Window) -> Tile:
        rows, cols = (math.ceil(self._halo / s) for s in self.scale)
        outer = Window(inner.row - rows, inner.col - cols, inner.height + 2 * rows, inner.width + 2 * cols)
        return Tile(inner, outer, *self._measure(outer))

    def _measure(self, outer: Window) -> tuple[int, int]:
        if self.scale == (1.0, 1.0):
            return outer.shape
        stride = self.spec.stride
        height, width = (round(n * s / stride) * stride for n, s in zip(outer.shape, self.scale, strict=True))
        return max(stride, height), max(stride, width)


def _joined(windows: list[Window], margin: int) -> list[Window]:
    """Join two windows as long as that costs less than both alone, each with half the `margin` on every side."""
    windows = sorted(set(windows))
    pairs = [(a, b) for a in range(len(windows)) for b in range(a)] if len(windows) <= MOST_PARTS else []
    if not pairs:
        return windows if len(windows) == 1 else [_union(windows)]
    gains = [
        _cost(windows[a], margin) + _cost(windows[b], margin) - _cost(windows[a].union(windows[b]), margin)
        for a, b in pairs
    ]
    best = max(range(len(pairs)), key=gains.__getitem__)
    if gains[best] < 0:
        return windows
    a, b = pairs[best]
    rest = [window for number, window in enumerate(windows) if number not in (a, b)]
    return _joined([*rest, windows[a].union(windows[b])], margin)


def _cost(window: Window, margin: int) -> int:
    return (window.height + margin) * (window.width + margin)


def _union(windows: Sequence[Window]) -> Window:
    whole = windows[0]
    for window in windows[1:]:
        whole = whole.union(window)
    return whole
