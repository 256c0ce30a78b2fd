"""Our blend modes beside OpenCV's seamlessClone and MultiBandBlender, on the same square hole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.protocol import Case, Runner
from cimgen_qt.core.blend import BlendMode, BlendSettings, blend
from cimgen_qt.core.membrane import membrane

MARGIN = 32
TAU = BlendSettings().tau
ALLOWED = 0.5
"""Levels of mean error against the exact solution."""
Picture = tuple[np.ndarray, np.ndarray, np.ndarray]


def cases(quick: bool) -> Iterator[Case]:
    for side in (512,) if quick else (1024, 4096):
        picture = scene(side)
        right = partial(changed_outside, picture)
        solved = {tau: errors(picture, tau) for tau in (None, TAU)}
        notes = tuple(f"error {f'membrane, tau {tau:g}' if tau else 'poisson'}: {said(*solved[tau])}" for tau in solved)
        exact = f"mean error {solved[None][0]:.2f} levels" if solved[None][0] > ALLOWED else ""
        yield Case(
            f"poisson {side} px",
            (
                Runner("cimgen poisson", ours(picture, BlendMode.POISSON), lambda out, e=exact, r=right: e or r(out)),
                Runner("cimgen membrane", ours(picture, BlendMode.MEMBRANE), right),
                Runner("cimgen feather", ours(picture, BlendMode.FEATHER), right),
                Runner("cv2.seamlessClone", partial(clone, *picture), right, ("cv2",)),
                Runner("floor: copy of the photo", picture[0].copy),
            ),
            notes=notes,
        )
        yield Case(
            f"multiband {side} px",
            (
                Runner("cimgen multiband", ours(picture, BlendMode.MULTIBAND), right),
                Runner("cv2 MultiBandBlender", partial(bands, *picture), right, ("cv2",)),
                Runner("floor: copy of the photo", picture[0].copy),
            ),
        )


def scene(side: int) -> Picture:
    """Two smooth pictures with grain, and a square hole of `side` pixels with a margin all round."""
    rng = np.random.default_rng(1)
    size = side + 2 * MARGIN
    y, x = np.mgrid[:size, :size].astype(np.float32)
    photo = 120 + 60 * np.sin(x / 90) * np.cos(y / 70) + rng.normal(0, 8, (size, size)).astype(np.float32)
    new = 140 + 40 * np.cos(x / 60 + y / 80) + rng.normal(0, 8, (size, size)).astype(np.float32)
    mask = np.zeros((size, size), bool)
    mask[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    shifts = np.arange(3, dtype=np.float32) * 9
    pixels = [np.clip(p[..., None] + shifts, 0, 255).astype(np.uint8) for p in (photo, new)]
    return pixels[0], pixels[1], mask


def ours(picture: Picture, mode: BlendMode) -> Callable[[], np.ndarray]:
    return lambda: blend(*picture, BlendSettings(mode)).pixels


def changed_outside(picture: Picture, out: np.ndarray) -> str:
    count = int((out != picture[0]).any(axis=2)[~picture[2]].sum())
    return f"changes {count} pixels outside" if count else ""


def errors(picture: Picture, tau: float | None) -> tuple[float, float]:
    """Mean and largest error of our correction, in levels."""
    photo, new, mask = picture
    step = photo[..., 0].astype(np.float32) - new[..., 0]
    inner = slice(MARGIN, -MARGIN)
    found = np.abs(membrane(step, mask, ~mask, tau)[inner, inner] - exact(step, tau))
    return float(found.mean()), float(found.max())


def exact(step: np.ndarray, tau: float | None) -> np.ndarray:
    """The correction in the square hole, by sine transforms: the eigenvectors of its Laplacian."""
    from scipy.fft import dstn, idstn

    edge = step[MARGIN - 1 : step.shape[0] - MARGIN + 1, MARGIN - 1 : step.shape[1] - MARGIN + 1]
    side = edge.shape[0] - 2
    right = np.zeros((side, side))
    right[0] += edge[0, 1:-1]
    right[-1] += edge[-1, 1:-1]
    right[:, 0] += edge[1:-1, 0]
    right[:, -1] += edge[1:-1, -1]
    waves = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
    spectrum = dstn(right, type=1, overwrite_x=True)
    spectrum /= waves[:, None] + waves + (0 if tau is None else tau**-2)
    return idstn(spectrum, type=1, overwrite_x=True)


def said(mean: float, largest: float) -> str:
    return f"mean {mean:.3f}, largest {largest:.2f} levels"


def clone(photo: np.ndarray, new: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """With a mask of its own: OpenCV erodes the one that it is given."""
    import cv2

    centre = (photo.shape[1] // 2, photo.shape[0] // 2)
    return cv2.seamlessClone(new, photo, mask.astype(np.uint8) * 255, centre, cv2.NORMAL_CLONE)


def bands(photo: np.ndarray, new: np.ndarray, mask: np.ndarray) -> np.ndarray:
    import cv2

    blender = cv2.detail.MultiBandBlender(0, 5)
    height, width = mask.shape
    blender.prepare((0, 0, width, height))
    inside = mask.astype(np.uint8) * 255
    blender.feed(new.astype(np.int16), inside, (0, 0))
    blender.feed(photo.astype(np.int16), 255 - inside, (0, 0))
    out, _ = blender.blend(None, None)
    return np.clip(out, 0, 255).astype(np.uint8)
