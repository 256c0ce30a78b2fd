"""Spread the difference at the rim of a mask smoothly into it: the correction behind gradient-domain blending."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.pyramid import cell_sums, doubled
from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
COARSEST = 24
"""Grids of this side are solved to the end; finer ones start from the coarser solution."""
STEPS = 4
"""Conjugate-gradient steps before and after each correction by the coarser grid."""
CYCLES = 1
"""Cycles a grid: with one the mean error stays below half a level (see tests), with two below a tenth."""
SOLVED = 200
"""Steps that are enough on the coarsest grid."""
REACH = 8.0
"""A screened membrane has died away after this many of its lengths (e^-8 of 255 levels is a tenth of a level)."""
BLOCK = 512


def membrane(difference: Floats, inside: Mask, known: Mask, tau: float | None) -> Floats:
    """h with (Laplacian - 1/tau^2) h = 0 on `inside` and h = `difference` on the `known` pixels round it; 0 elsewhere.

    `difference` is (height, width). Without `tau` h is harmonic (Perez 2003, as a correction); with it the correction
    dies away over `tau` pixels. Neighbours that are neither inside nor known, and the edge of the array, let nothing
    through. Solved by full multigrid with conjugate gradients as smoother (Briggs, Henson & McCormick 2000).
    """
    if tau is None:
        return _cascade(difference, inside, known, None)
    out = np.zeros_like(difference)
    margin = int(np.ceil(REACH * tau))
    height, width = inside.shape
    for row in range(0, height, BLOCK):
        for col in range(0, width, BLOCK):
            inner = inside[row : row + BLOCK, col : col + BLOCK]
            if not inner.any():
                continue
            top, left = max(0, row - margin), max(0, col - margin)
            seen = np.s_[top : row + BLOCK + margin, left : col + BLOCK + margin]
            if not (known[seen] & ~inside[seen]).any():
                continue
            part = _cascade(difference[seen], inside[seen], known[seen], tau)
            here = part[row - top : row - top + BLOCK, col - left : col - left + BLOCK]
            out[row : row + BLOCK, col : col + BLOCK] = here[: inner.shape[0], : inner.shape[1]]
    return out


@dataclass(frozen=True, slots=True)
class _Level:
    """Five-point equations on one grid: `free` is 1 on unknown cells, `meant` on unknown cells and on the rim."""

    free: Floats
    diagonal: Floats
    meant: Floats
    values: Floats
    """On the rim, 0 elsewhere."""
    right: Floats
    """What the rim adds to the equations of its neighbours."""


def _cascade(difference: Floats, inside: Mask, known: Mask, tau: float | None) -> Floats:
    """Full multigrid: solve on the coarsest grid, refine the guess, correct it by one cycle, down to the pixels."""
    rim = known & ~inside & (_neighbours(inside.astype(np.float32)) > 0)
    grids = [(np.where(rim, difference, 0).astype(np.float32), inside, rim)]
    while max(grids[-1][1].shape) > COARSEST:
        grids.append(_halved(*grids[-1]))
    screens = [0.0 if tau is None else 4.0**number / tau**2 for number in range(len(grids))]
    levels = [_level(*grid, screen) for grid, screen in zip(grids, screens, strict=True)]
    last = levels[-1]
    guess = _polish(np.zeros_like(last.free), last.right, last, SOLVED)
    for number in reversed(range(len(levels) - 1)):
        coarse, fine = levels[number + 1], levels[number]
        guess = _refined(guess + coarse.values, coarse.meant, fine.free.shape) * fine.free
        for _ in range(CYCLES):
            guess = _cycle(guess, fine.right, levels[number:])
    return guess


def _cycle(guess: Floats, right: Floats, levels: list[_Level]) -> Floats:
    """Smooth, correct by the coarser grid, smooth again."""
    level = levels[0]
    if len(levels) == 1:
        return _polish(guess, right, level, SOLVED)
    guess = _polish(guess, right, level, STEPS)
    coarse = levels[1]
    residual = cell_sums(_residual(guess, right, level)) * coarse.free
    correction = _cycle(np.zeros_like(coarse.free), residual, levels[1:])
    guess += _refined(correction, coarse.meant, level.free.shape) * level.free
    return _polish(guess, right, level, STEPS)


def _level(values: Floats, unknown: Mask, rim: Mask, screen: float) -> _Level:
    free, edge = unknown.astype(np.float32), rim.astype(np.float32)
    held = values * edge
    diagonal = (_neighbours(free + edge) + np.float32(screen)) * free
    free[diagonal == 0] = 0  # a pixel without any neighbour: nothing is known about it
    return _Level(free, diagonal, free + edge, held, _neighbours(held) * free)


def _residual(x: Floats, right: Floats, level: _Level) -> Floats:
    residual = _neighbours(x)
    residual *= level.free
    residual -= level.diagonal * x
    residual += right
    return residual


def _polish(x: Floats, right: Floats, level: _Level, steps: int) -> Floats:
    """A few steps of conjugate gradients."""
    residual = _residual(x, right, level)
    direction = residual.copy()
    power = float(np.vdot(residual, residual))
    enough = power * 1e-10 + 1e-9
    for _ in range(steps):
        if power <= enough:
            break
        applied = level.diagonal * direction
        near = _neighbours(direction)
        near *= level.free
        applied -= near
        length = np.float32(power / max(float(np.vdot(direction, applied)), 1e-30))
        x = x + length * direction
        applied *= length
        residual -= applied
        fresh = float(np.vdot(residual, residual))
        direction *= np.float32(fresh / power)
        direction += residual
        power = fresh
    return x


def _neighbours(x: Floats) -> Floats:
    """Sum of the four neighbours; beyond the edge there is nothing."""
    total = np.zeros_like(x)
    total[1:] += x[:-1]
    total[:-1] += x[1:]
    total[:, 1:] += x[:, :-1]
    total[:, :-1] += x[:, 1:]
    return total


def _halved(values: Floats, unknown: Mask, rim: Mask) -> tuple[Floats, Mask, Mask]:
    """Cells of 2 x 2: known, with the mean of its rim pixels, where there is one; else unknown where a pixel is."""
    weight = cell_sums(rim.astype(np.float32))
    mean: Floats = cell_sums(values * rim) / np.maximum(weight, np.float32(1))
    known = weight > 0
    return mean, (cell_sums(unknown.astype(np.float32)) > 0) & ~known, known


def _refined(x: Floats, meant: Floats, shape: tuple[int, int]) -> Floats:
    """The coarse solution on the finer grid; cells that mean nothing are left out of the interpolation."""
    fine: Floats = doubled(x * meant, shape) / np.maximum(doubled(meant, shape), np.float32(1e-3))
    return fine
