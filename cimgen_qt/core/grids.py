"""The equations of a membrane on ever coarser grids, kept only where a rim is near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.plots import SIDE, Plots, Squares, joined, spread
from cimgen_qt.core.pyramid import any_of_cell, doubled
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
COARSEST = 8
"""Grids of this side are solved outright."""
SHORTEST = np.float32(0.15)
"""A cell of which little is free is not tied harder to its rim than this."""
STIFF = 16.0
"""Where the screen weighs so much against four neighbours, no coarser grid is of any help."""


@dataclass(frozen=True, slots=True)
class Shore:
    """Free cells that meet known pixels, and how: the rim of a coarse grid runs through its cells."""

    cells: Indices
    """Flat, ascending."""
    faces: Floats
    """Sides of a cell, in whole ones, that are known."""
    share: Floats
    """How much of the cell is free."""

    def conductance(self, number: int) -> Floats:
        """Per side, between the middle of a cell and the middles of the known pixels; `number` halvings were made."""
        length = self.share - np.float32(0.5 - 0.5 ** (number + 1))
        between: Floats = 1 / np.maximum(length, SHORTEST)
        return between


@dataclass(frozen=True, slots=True)
class Spot:
    """A window that is worked on, and what is needed there alone."""

    window: Window
    inverse: Floats
    """One by the diagonal of the equations on free cells, 0 on others."""
    weight: Floats
    """What makes a mean of an interpolation from the coarser grid; 0 on cells that are not free."""
    right: Floats
    """The right side of the equations; of all but the finest grid a part of the level's plane."""
    shore: tuple[Indices, Indices]
    """Flat places here of cells of the shore, and which of the level's they are."""


@dataclass(frozen=True, slots=True)
class Rim:
    """Known pixels beside a mask, and the free ones beside each."""

    places: Indices
    """Flat, in a plane of the finest grid."""
    known: Indices
    """Numbers of the pixels, and with each, a cell of the shore that it meets."""
    shore: Indices

    def flows(self, values: Floats, size: int) -> Floats:
        """The sum of the `values` of the rim round each of the `size` cells of the shore."""
        return np.bincount(self.shore, values[self.known], size).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Level:
    """Five-point equations on the cells of one grid. Planes have a cell more on every side, which is never free.

    Memory of a plane is taken where something is written only: of the finest grid near the rim.
    """

    shore: Shore
    conductance: Floats
    """Of all known sides together, for each cell of the shore."""
    parent: Indices
    """For each cell of the shore, its place in the shore of the coarser grid."""
    x: Floats
    """The solution."""
    error: Floats
    """A correction to it, while a finer grid is solved."""
    right: Floats
    """The right side of the equations; empty on the finest grid, whose spots hold it."""
    work: tuple[Spot, ...]
    """Cells that are relaxed on this grid: all that lie near one which is not free."""
    fringe: tuple[Window, ...]
    """Neighbours of `work`, where the coarser grid's solution is as good."""
    deep: tuple[Window, ...]
    """All cells beside `work` that matter: `fringe` and what lies further in."""
    far: tuple[Window, ...]
    """Cells that nothing reaches."""


def levels_of(inside: Mask, known: Mask, tau: float | None, reach: float) -> tuple[list[Level], Rim]:
    """The grids of a mask, finest first, and its rim. Values of `known` pixels are felt up to `reach` pixels off."""
    free, held = padded(inside), padded(known & ~inside)
    plots = Plots.of(free[1:-1, 1:-1])
    rim, shore = _shore(free, held, plots.windows(plots.near))
    del held
    found: list[Level] = []
    parents = np.zeros(plots.some.shape, bool)
    while True:
        scale = 2.0 ** len(found)
        screen = 0.0 if tau is None else (scale / tau) ** 2
        last = max(free.shape) - 2 <= COARSEST or screen >= STIFF
        here = plots.some & spread(_squares_of(shore, free.shape, plots.some.shape), _squares(reach / scale))
        work = here & (plots.some if last else plots.near | parents)
        coarse = padded(any_of_cell(free[1:-1, 1:-1]))
        coarser, parent = _coarser(shore, free, coarse.shape)
        conductance = shore.conductance(len(found)) * shore.faces
        x, error = np.zeros(free.shape, np.float32), np.zeros(free.shape, np.float32)
        right = np.zeros(free.shape if found else (0, 0), np.float32)
        spots = _spots(free, coarse, screen, (shore.cells, conductance), plots.windows(work), right)
        fringe, deep, far = here & ~work & spread(work, 1), here & ~work, plots.some & ~here
        outside = (plots.windows(squares) for squares in (fringe, deep, far))
        found.append(Level(shore, conductance, parent, x, error, right, tuple(spots), *outside))
        if last:
            return found, rim
        free, shore = coarse, coarser
        plots = Plots.of(free[1:-1, 1:-1])
        parents = joined(work, plots.some.shape)


def _spots(
    free: Mask,
    coarse: Mask,
    screen: float,
    shore: tuple[Indices, Floats],
    windows: tuple[Window, ...],
    right: Floats,
) -> Iterator[Spot]:
    """`shore` gives cells and their conductance to the rim. The spots share `right`, unless it is empty."""
    rims = np.zeros(free.shape, np.float32)
    rims.reshape(-1)[shore[0]] = shore[1]
    for window in windows:
        inner, shape = inner_of(window), window.shape
        diagonal = neighbours(free[seen_of(window)].astype(np.float32), np.empty(shape, np.float32))
        diagonal += rims[inner]
        diagonal += np.float32(screen)
        unknown = free[inner] & (diagonal > 0)  # a pixel without any neighbour: nothing is known about it
        share = doubled(coarse[coarse_of(window)].astype(np.float32))
        inverse, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        np.divide(1, diagonal, out=inverse, where=unknown)
        np.divide(1, share, out=weight, where=unknown & (share > 0))
        mine = right[inner] if right.size else np.zeros(shape, np.float32)
        here = np.flatnonzero(rims[inner])
        rows, cols = np.divmod(here, window.width)
        cells = (rows + window.row + 1) * free.shape[1] + cols + window.col + 1
        yield Spot(window, inverse, weight, mine, (here, np.searchsorted(shore[0], cells)))


def padded(mask: Mask) -> Mask:
    """To even sides, and a cell more on every side, all False."""
    height, width = mask.shape
    return np.pad(mask, ((1, 1 + height % 2), (1, 1 + width % 2)))


def inner_of(window: Window) -> tuple[slice, slice]:
    """Where `window` lies in a plane with a cell more on every side."""
    return slice(window.row + 1, window.bottom + 1), slice(window.col + 1, window.right + 1)


def seen_of(window: Window) -> tuple[slice, slice]:
    """The same with the neighbours all round."""
    return slice(window.row, window.bottom + 2), slice(window.col, window.right + 2)


def coarse_of(window: Window) -> tuple[slice, slice]:
    """The cells of the coarser grid under `window` and their neighbours."""
    return slice(window.row // 2, window.bottom // 2 + 2), slice(window.col // 2, window.right // 2 + 2)


def halved(window: Window) -> Window:
    """The same ground on the coarser grid."""
    return Window(window.row // 2, window.col // 2, window.height // 2, window.width // 2)


def neighbours(seen: Floats, out: Floats) -> Floats:
    """Sum of the four neighbours of all but the outermost cells."""
    np.add(seen[:-2, 1:-1], seen[2:, 1:-1], out=out)
    out += seen[1:-1, :-2]
    out += seen[1:-1, 2:]
    return out


def _shore(free: Mask, held: Mask, windows: tuple[Window, ...]) -> tuple[Rim, Shore]:
    """Known pixels beside a free one, and the free ones beside them."""
    rim, faces = np.zeros(free.shape, bool), np.zeros(free.shape, np.uint8)
    for window in windows:
        here = free[inner_of(window)]
        for beside in _beside(window):
            meets = here & held[beside]
            rim[beside] |= meets
            faces[inner_of(window)] += meets
    cells = np.flatnonzero(faces)
    count = faces.reshape(-1)[cells].astype(np.float32)
    return _meetings(np.flatnonzero(rim), cells, free.shape[1]), Shore(cells, count, np.ones(cells.size, np.float32))


def _meetings(places: Indices, cells: Indices, width: int) -> Rim:
    """Which of the known `places` lies beside which of the free `cells`."""
    known, shore = [], []
    for step in (-width, width, -1, 1):
        there = np.searchsorted(cells, places + step)
        found = np.flatnonzero(np.append(cells, -1)[there] == places + step)
        known.append(found)
        shore.append(there[found])
    return Rim(places, np.concatenate(known), np.concatenate(shore))


def _beside(window: Window) -> Iterator[tuple[slice, slice]]:
    for rows, cols in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        yield inner_of(window.shifted(rows, cols))


def _coarser(shore: Shore, free: Mask, shape: tuple[int, int]) -> tuple[Shore, Indices]:
    """The shore on cells of 2 x 2 of the grid whose `free` cells are given, and the place of each old cell in it."""
    rows, cols = (n - 1 for n in np.divmod(shore.cells, free.shape[1]))
    cells, parent = np.unique((rows // 2 + 1) * shape[1] + cols // 2 + 1, return_inverse=True)
    faces = np.bincount(parent, shore.faces, cells.size) / 2
    rows, cols = (2 * n - 1 for n in np.divmod(cells, shape[1]))
    children = sum(free[rows + down, cols + right].astype(np.int8) for down in (0, 1) for right in (0, 1))
    share = (children + np.bincount(parent, shore.share - 1, cells.size)) / 4
    return Shore(cells, faces.astype(np.float32), share.astype(np.float32)), parent


def _squares_of(shore: Shore, shape: tuple[int, int], squares: tuple[int, int]) -> Squares:
    out = np.zeros(squares, bool)
    rows, cols = np.divmod(shore.cells, shape[1])
    out[(rows - 1) // SIDE, (cols - 1) // SIDE] = True
    return out


def _squares(length: float) -> int:
    return int(min(np.ceil(length / SIDE), 1 << 20))
