"""Blend coarse shapes over a wide rim and fine detail over a narrow one (Burt & Adelson 1983), inside the mask only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.feather import Difference, rim_loss
from cimgen_qt.core.grid import Window
from cimgen_qt.core.grids import coarse_of, halved, inner_of, padded
from cimgen_qt.core.plots import SIDE, Plots, Squares, joined, spread, squares_near
from cimgen_qt.core.pyramid import any_of_cell, cell_sums, doubled
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
LEVELS = 5
RIM = 1.5
"""The last two pixels are faded in themselves: coarse weights, made on coarse pixels, do not end at the very rim."""


class Multiband:
    """Pyramids of the ground near the rim. Each band of the difference between made and photo fades in by itself: the
    finest over `width` pixels, each coarser one over twice as many. Deeper inside all weights are 1, so nothing is
    computed there.
    """

    def __init__(self, inside: Mask, ground: Mask, width: float) -> None:
        self._inside, self._shape = inside, Window(0, 0, *inside.shape)
        grounds = _grounds(inside, ground, width)
        plots = Plots.of(padded(inside)[1:-1, 1:-1])
        near = plots.some & squares_near(grounds[0], (width + 3) * 2.0 ** (len(grounds) - 1))
        self.far = tuple(w.intersect(self._shape) for w in plots.windows(plots.some & ~near))
        """What is laid in as it was made; `spread` gives all other windows that hold a pixel of the mask."""
        self._near = [(w, rim_loss(grounds[0], w, width), rim_loss(grounds[0], w, RIM)) for w in plots.windows(near)]
        self._levels = [
            [(w, rim_loss(ground, w, width) if number else None) for w in windows]
            for number, (ground, windows) in enumerate(zip(grounds, _windows(near, grounds), strict=True))
        ]
        self._means = [np.zeros((g.shape[0] + 2, g.shape[1] + 2), np.float32) for g in grounds]
        self._losses = [np.zeros_like(mean) for mean in self._means]

    def spread(self, difference: Difference) -> Iterator[tuple[Window, Floats]]:
        """What to add to the made pixels, in windows."""
        filling = self._mean(difference)
        self._build(difference, filling)
        for number in reversed(range(1, len(self._levels))):
            for window, loss in self._levels[number]:
                mean = self._means[number][inner_of(window)]
                self._losses[number][inner_of(window)] = self._lost(number, window, mean, loss)
        for window, loss, rim in self._near:
            shown = window.intersect(self._shape)
            made = self._filled(difference, window, filling)
            lost = self._lost(0, window, made, loss)
            if rim is not None:
                lost += (made - lost) * rim
            yield shown, -lost[: shown.height, : shown.width]

    def _mean(self, difference: Difference) -> float:
        """At the rim: what lies outside is taken to be so, that a hard edge is not smeared by the coarse bands."""
        total, count = 0.0, 0
        for window, loss, _ in self._near:
            shown = window.intersect(self._shape)
            inside = self._inside[shown.slices()]
            if loss is not None:
                total += float(difference(shown).sum(where=inside, dtype=np.float64))
                count += int(np.count_nonzero(inside))
        return total / max(count, 1)

    def _filled(self, difference: Difference, window: Window, filling: float) -> Floats:
        shown = window.intersect(self._shape)
        out = np.full(window.shape, filling, np.float32)
        np.copyto(out[: shown.height, : shown.width], difference(shown), where=self._inside[shown.slices()])
        return out

    def _build(self, difference: Difference, filling: float) -> None:
        """The means of cells, level by level, of all that the coarser levels look at."""
        for mean in self._means[1:]:
            mean.fill(filling)
        for number, windows in enumerate(self._levels[:-1]):
            coarse = self._means[number + 1]
            for window, _ in windows:
                fine = self._means[number][inner_of(window)] if number else self._filled(difference, window, filling)
                coarse[inner_of(halved(window))] = cell_sums(fine) * np.float32(0.25)

    def _lost(self, number: int, window: Window, mean: Floats, loss: Floats | None) -> Floats:
        """The part of the difference that fades out towards the rim, in this band and the coarser ones."""
        if number + 1 == len(self._levels):
            return np.zeros(window.shape, np.float32) if loss is None else mean * loss
        lost = doubled(self._losses[number + 1][coarse_of(window)])
        if loss is not None:
            lost += (mean - doubled(self._means[number + 1][coarse_of(window)])) * loss
        return lost


def _grounds(inside: Mask, ground: Mask, width: float) -> list[Mask]:
    """The ground to be met on each grid, as far as one is left on which something fades in wholly."""
    found = [padded(ground)[1:-1, 1:-1]]
    some = padded(inside)[1:-1, 1:-1]
    while len(found) <= LEVELS and min(some.shape) > 1:
        some, coarse = (padded(any_of_cell(m))[1:-1, 1:-1] for m in (some, found[-1]))
        if not _room(some, coarse, width):
            break
        found.append(coarse)
    return found


def _room(inside: Mask, ground: Mask, width: float) -> bool:
    plots = Plots.of(inside)
    if (plots.some & ~squares_near(ground, width + 1)).any():
        return True
    windows = plots.windows(plots.some)
    for window in windows:
        loss = rim_loss(ground, window, width)
        if loss is None or (inside[window.slices()] & (loss <= 0)).any():
            return True
    return False


def _windows(near: Squares, grounds: list[Mask]) -> list[tuple[Window, ...]]:
    """On each grid, the squares that matter for `near` and a square all round."""
    squares = spread(near, 1)
    found: list[tuple[Window, ...]] = []
    for ground in grounds:
        if found:
            squares = joined(squares, (-(-ground.shape[0] // SIDE), -(-ground.shape[1] // SIDE)))
        found.append(Plots(ground.shape, squares, squares).windows(squares))
    return found
