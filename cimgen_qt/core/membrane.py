"""Spread the difference at the rim of a mask smoothly into it: the correction behind gradient-domain blending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.raster import Mask

Floats = NDArray[np.float32]
COARSEST = 24
"""Grids of this side are solved to the end; finer ones start from the coarser solution."""
FINE_STEPS = 10
"""Conjugate-gradient steps on the finest grid; each coarser grid takes half as many again."""
REACH = 8.0
"""A screened membrane has died away after this many of its lengths (e^-8 of 255 levels is a tenth of a level)."""
BLOCK = 512


def membrane(difference: Floats, inside: Mask, known: Mask, tau: float | None) -> Floats:
    """h with (Laplacian - 1/tau^2) h = 0 on `inside` and h = `difference` on the `known` pixels round it; 0 elsewhere.

    `difference` is (height, width). Without `tau` h is harmonic (Perez 2003, as a correction); with it the correction
    dies away over `tau` pixels. Neighbours that are neither inside nor known, and the edge of the array, let nothing
    through. Solved by cascadic conjugate gradients (Bornemann & Deuflhard 1996), on the mask's pixels alone.
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


def _cascade(difference: Floats, inside: Mask, known: Mask, tau: float | None) -> Floats:
    """Solve on a coarse grid, refine the guess, and polish it, down to the pixels."""
    levels = [(np.where(known, difference, 0).astype(np.float32), inside, known & ~inside)]
    while max(levels[-1][1].shape) > COARSEST:
        levels.append(_halved(*levels[-1]))
    guess = np.zeros(levels[-1][1].shape, np.float32)
    for number in reversed(range(len(levels))):
        values, unknown, rim = levels.pop()
        if guess.shape != unknown.shape:
            guess = _doubled(guess, unknown.shape)
        screen = 0.0 if tau is None else 4.0**number / tau**2
        steps = 400 if number and not levels[:number] else int(FINE_STEPS * 1.5**number)
        guess = _polish(guess, values, unknown, rim, screen, min(steps, 400))
    return guess


def _polish(guess: Floats, values: Floats, unknown: Mask, rim: Mask, screen: float, steps: int) -> Floats:
    """Conjugate gradients on the five-point equations of the unknown pixels."""
    free = unknown.astype(np.float32)
    diagonal = (_neighbours(free + rim) + np.float32(screen)) * free
    loose = (diagonal == 0) & unknown  # a pixel without any neighbour: nothing is known about it
    free[loose] = 0
    x = guess * free
    residual = (_neighbours(values * rim) - diagonal * x + _neighbours(x)) * free
    direction = residual.copy()
    power = float(np.vdot(residual, residual))
    enough = power * 1e-10 + 1e-9
    for _ in range(steps):
        if power <= enough:
            break
        applied = diagonal * direction
        applied -= _neighbours(direction)
        applied *= free
        length = np.float32(power / max(float(np.vdot(direction, applied)), 1e-30))
        x += length * direction
        applied *= length
        residual -= applied
        fresh = float(np.vdot(residual, residual))
        direction *= np.float32(fresh / power)
        direction += residual
        power = fresh
    return x


def _neighbours(x: NDArray[np.float32]) -> Floats:
    """Sum of the four neighbours; beyond the edge there is nothing."""
    total = np.zeros(x.shape, np.float32)
    total[1:] += x[:-1]
    total[:-1] += x[1:]
    total[:, 1:] += x[:, :-1]
    total[:, :-1] += x[:, 1:]
    return total


def _halved(values: Floats, unknown: Mask, rim: Mask) -> tuple[Floats, Mask, Mask]:
    """Cells of 2 x 2: unknown where any pixel is, else known with the mean of the known pixels."""
    weight = _sum_of_cells(rim.astype(np.float32))
    mean = _sum_of_cells(values * rim) / np.maximum(weight, 1)
    inside = _sum_of_cells(unknown.astype(np.float32)) > _HALF
    return mean, inside, (weight > 0) & ~inside


_HALF = 1.5
"""A cell is unknown where at least two of its four pixels are: the rim then stays, on average, where it was."""


def _sum_of_cells(x: Floats) -> Floats:
    height, width = x.shape
    padded = np.pad(x, ((0, height % 2), (0, width % 2)))
    total: Floats = padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2]
    return total


def _doubled(x: Floats, shape: tuple[int, int]) -> Floats:
    return np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[: shape[0], : shape[1]]
