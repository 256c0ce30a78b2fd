"""Spread the difference at the rim of a mask smoothly into it: the correction behind gradient-domain blending."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.grids import Level, coarse_of, halved, inner_of, levels_of, neighbours, seen_of
from cimgen_qt.core.plots import LONGEST, SIDE
from cimgen_qt.core.pyramid import cell_sums, doubled
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
REACH = 8.0
"""A screened membrane has died away after this many of its lengths (e^-8 of 255 levels is a tenth of a level)."""
STEPS = 3
ROUGH, WHOLE = 0.5, 2.0
"""Eigenvalues of the errors that the coarser grid cannot see: these the relaxation has to take away."""
LENGTHS = tuple(
    np.float32(2 / (WHOLE + ROUGH + (WHOLE - ROUGH) * np.cos((2 * n + 1) * np.pi / (2 * STEPS)))) for n in range(STEPS)
)
"""Chebyshev's: three such Jacobi steps leave 7 % of those errors."""
SMALLEST = np.float32(1e-6)
"""Less than any inverse diagonal."""
DIRECT = 100
"""Unknowns of the coarsest grid up to which its inverse is made."""


def membrane(difference: Floats, inside: Mask, known: Mask, tau: float | None) -> Floats:
    """h with (Laplacian - 1/tau^2) h = 0 on `inside` and h = `difference` on the `known` pixels round it; 0 elsewhere.

    All of it at once, for one (height, width) plane; `Membrane` says how.
    """
    out = np.zeros(difference.shape, np.float32)
    sheet = Membrane(inside, known, tau)
    for window, values in sheet.spread(difference[sheet.rim]):
        np.copyto(out[window.slices()], values, where=inside[window.slices()])
    return out


class Membrane:
    """Solves (Laplacian - 1/tau^2) h = 0 on the pixels of a mask, for as many planes as share it.

    Without `tau` h is harmonic (Perez 2003, as a correction); with it the correction dies away over `tau` pixels.
    Neighbours that are neither inside nor known, and the edge of the array, let nothing through.

    Full multigrid (Briggs, Henson & McCormick 2000). A grid is relaxed in squares near the rim only: further in
    the solution is so smooth that the coarser grid's says all (Agarwala 2007 does it with a quadtree). So time and
    memory go with the length of the rim, but for one interpolation of what is asked for.
    """

    def __init__(self, inside: Mask, known: Mask, tau: float | None) -> None:
        reach = np.inf if tau is None else REACH * tau
        self.levels, self._rim = levels_of(inside, known, tau, reach)
        rows, cols = np.divmod(self._rim.places, self.levels[0].x.shape[1])
        self.rim = rows - 1, cols - 1
        """Rows and columns of the known pixels beside the mask, whose values `spread` wants in this order."""
        shape = Window(0, 0, *inside.shape)
        self.far = tuple(w.intersect(shape) for w in self.levels[0].far)
        """Ground that the correction does not reach; `spread` gives all other windows that hold a pixel of the mask."""
        self._shape = shape
        self._outright = _Outright(self.levels[-1])
        self._floor = np.float32(0)
        self._scratch = np.empty(SIDE * SIDE * LONGEST, np.float32)

    def spread(self, values: Floats) -> Iterator[tuple[Window, Floats]]:
        """h in windows, for the `values` at the rim; outside the mask its numbers mean nothing."""
        self._floor = np.float32(np.abs(values).max(initial=0))
        self._load(values)
        self._outright.settle(self.levels[-1].x, self.levels[-1])
        for number in reversed(range(len(self.levels) - 1)):
            self._guess(number)
            self._cycle(number, self.levels[number].x)
        finest = self.levels[0]
        for spot in finest.work:
            shown = spot.window.intersect(self._shape)
            yield shown, finest.x[inner_of(shown)]
        for window in finest.deep:
            shown = window.intersect(self._shape)
            yield shown, doubled(self.levels[1].x[coarse_of(window)])[: shown.height, : shown.width]

    def _load(self, values: Floats) -> None:
        """What the rim adds to the equations of its neighbours, on all grids."""
        finest = self.levels[0]
        flows = self._rim.flows(values, finest.shore.cells.size)
        for spot in finest.work:
            here, cells = spot.shore
            spot.right.reshape(-1)[here] = flows[cells]
        for fine, coarse in pairwise(self.levels):
            flows = (np.bincount(fine.parent, flows, coarse.shore.cells.size) / 2).astype(np.float32)
            coarse.right.fill(0)
            coarse.right.reshape(-1)[coarse.shore.cells] = flows * coarse.conductance / coarse.shore.faces

    def _guess(self, number: int) -> None:
        """Interpolate the solution of the coarser grid."""
        fine, coarse = self.levels[number], self.levels[number + 1]
        for spot in fine.work:
            np.multiply(doubled(coarse.x[coarse_of(spot.window)]), spot.weight, out=fine.x[inner_of(spot.window)])
        self._take_over(number, fine.x, coarse.x)

    def _cycle(self, number: int, x: Floats) -> None:
        """Relax, correct by the coarser grid, relax again."""
        level = self.levels[number]
        if level is self.levels[-1]:
            self._outright.settle(x, level)
            return
        coarse = self.levels[number + 1]
        self._relax(level, x)
        self._restrict(level, x, coarse)
        for window in (*(spot.window for spot in coarse.work), *coarse.fringe):
            coarse.error[inner_of(window)] = 0
        self._cycle(number + 1, coarse.error)
        for spot in level.work:
            rise = doubled(coarse.error[coarse_of(spot.window)])
            rise *= spot.weight
            x[inner_of(spot.window)] += rise
        if x is level.x:
            np.add(coarse.x, coarse.error, out=coarse.x)
        self._take_over(number, x, coarse.x if x is level.x else coarse.error)
        self._relax(level, x)

    def _take_over(self, number: int, x: Floats, coarse: Floats) -> None:
        """Beside the work a grid only repeats the coarser one; of the finest no more is needed than the work meets."""
        level = self.levels[number]
        for window in level.deep if number else level.fringe:
            x[inner_of(window)] = doubled(coarse[coarse_of(window)])

    def _relax(self, level: Level, x: Floats) -> None:
        for spot in level.work:
            inner, seen = x[inner_of(spot.window)], x[seen_of(spot.window)]
            step = self._scratch[: spot.window.area].reshape(spot.window.shape)
            for length in LENGTHS:
                _defect(inner, seen, spot.inverse, spot.right, step)
                step *= length
                inner += step
            inner += self._floor  # rounds off what has died away: numbers near 1e-38 are slow to calculate with
            inner -= self._floor

    def _restrict(self, level: Level, x: Floats, coarse: Level) -> None:
        """The residual, summed over cells, becomes the right side of the coarser grid.

        What its rim has put there lies under `work` as well, and gives way.
        """
        for spot in level.work:
            left = self._scratch[: spot.window.area].reshape(spot.window.shape)
            _defect(x[inner_of(spot.window)], x[seen_of(spot.window)], spot.inverse, spot.right, left)
            left /= np.maximum(spot.inverse, SMALLEST)
            coarse.right[inner_of(halved(spot.window))] = cell_sums(left)


def _defect(inner: Floats, seen: Floats, inverse: Floats, right: Floats, out: Floats) -> None:
    """The residual by the diagonal."""
    neighbours(seen, out)
    out += right
    out *= inverse
    out -= inner


class _Outright:
    """The coarsest grid's solution; where it has too many cells, its diagonal outweighs all else and steps will do."""

    def __init__(self, level: Level) -> None:
        plane = np.zeros(level.x.shape, np.float32)
        for spot in level.work:
            plane[inner_of(spot.window)] = spot.inverse
        self._places = np.flatnonzero(plane)
        self._diagonal = 1 / plane.reshape(-1)[self._places].astype(np.float64)
        self._matrix = None if self._places.size > DIRECT else self._inverse(plane)

    def settle(self, x: Floats, level: Level) -> None:
        right = level.right if level.right.size else _gathered(level)
        flat, wanted = x.reshape(-1), right.reshape(-1)[self._places]
        if self._matrix is not None:
            flat[self._places] = self._matrix @ wanted
            return
        flat[self._places] = 0
        for _ in range(4 * STEPS):
            around = sum(flat[self._places + step] for step in _steps(x.shape[1]))
            flat[self._places] = (around + wanted) / self._diagonal

    def _inverse(self, plane: Floats) -> NDArray[np.float64]:
        """Of the matrix of the equations; where nothing is known of a piece of it, its mean is left at 0."""
        number = np.full(plane.size, -1)
        number[self._places] = np.arange(self._places.size)
        matrix: NDArray[np.float64] = np.diag(self._diagonal)
        for step in _steps(plane.shape[1]):
            other = number[self._places + step]
            matrix[np.flatnonzero(other >= 0), other[other >= 0]] = -1
        return np.asarray(np.linalg.pinv(matrix, rcond=1e-7, hermitian=True))


def _gathered(level: Level) -> Floats:
    """The right side of a finest grid that is the coarsest as well."""
    plane = np.zeros(level.x.shape, np.float32)
    for spot in level.work:
        plane[inner_of(spot.window)] = spot.right
    return plane


def _steps(width: int) -> tuple[int, int, int, int]:
    """To the four neighbours of a flat place."""
    return -width, width, -1, 1
