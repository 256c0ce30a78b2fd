"""Our blend modes beside OpenCV's seamlessClone and MultiBandBlender, on the same square hole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from benchmarks.protocol import Case, Runner, Target
from cimgen_qt.core.blend import BlendMode, BlendSettings, blend
from cimgen_qt.core.membrane import membrane

MARGIN = 32
SPARSE = 240
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
        notes += (f"poisson, result on {SPARSE} px against a sparse solver: {said(*sparse_errors())}", disc_note(side))
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
            targets=(
                Target("B1 time of seamlessClone by ours, poisson", "cv2.seamlessClone", 10, "cimgen poisson", True),
                Target("B1 the same, membrane", "cv2.seamlessClone", 10, "cimgen membrane", True),
                Target("B1 peak memory, poisson", "cimgen poisson", 320, unit="MB"),
            ),
        )
        yield Case(
            f"multiband {side} px",
            (
                Runner("cimgen multiband", ours(picture, BlendMode.MULTIBAND), right),
                Runner("cv2 MultiBandBlender", partial(bands, *picture), right, ("cv2",)),
                Runner("floor: copy of the photo", picture[0].copy),
            ),
            targets=(
                Target("B2 time of MultiBandBlender by ours", "cv2 MultiBandBlender", 5, "cimgen multiband", True),
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

    right = rim_of(step)
    side = right.shape[0]
    waves = 2 - 2 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
    spectrum = dstn(right, type=1, overwrite_x=True)
    spectrum /= waves[:, None] + waves + (0 if tau is None else tau**-2)
    return idstn(spectrum, type=1, overwrite_x=True)


def rim_of(step: np.ndarray) -> np.ndarray:
    """The right side of the equations: what the known pixels round the hole add to those beside them."""
    edge = step[MARGIN - 1 : step.shape[0] - MARGIN + 1, MARGIN - 1 : step.shape[1] - MARGIN + 1]
    right = np.zeros((edge.shape[0] - 2, edge.shape[1] - 2))
    right[0] += edge[0, 1:-1]
    right[-1] += edge[-1, 1:-1]
    right[:, 0] += edge[1:-1, 0]
    right[:, -1] += edge[1:-1, -1]
    return right


def sparse_errors() -> tuple[float, float]:
    """Mean and largest difference of what `blend` delivers, in levels, from the Poisson equation solved outright.

    Half a level of it at the most is the rounding to whole levels. No made pixel equals the photo here: at such a rim
    pixel `blend` compares means on purpose, and solves another equation.
    """
    from scipy.sparse import diags, identity, kron
    from scipy.sparse.linalg import spsolve

    photo, new, mask = scene(SPARSE)
    new = np.where(new == photo, new ^ 1, new)
    picture = photo, new, mask
    out = ours(picture, BlendMode.POISSON)()
    line = diags([-1.0, 2.0, -1.0], [-1, 0, 1], (SPARSE, SPARSE))
    laplacian = (kron(line, identity(SPARSE)) + kron(identity(SPARSE), line)).tocsc()
    inner, found = slice(MARGIN, -MARGIN), []
    for band in range(photo.shape[2]):
        step = photo[..., band].astype(np.float64) - new[..., band]
        right = rim_of(step)
        wanted = new[inner, inner, band] + spsolve(laplacian, right.ravel()).reshape(right.shape)
        found.append(np.abs(out[inner, inner, band] - np.clip(wanted, 0, 255)))
    return float(np.mean(found)), float(np.max(found))


def disc_note(side: int) -> str:
    """What OpenCV does outside a hole that is no rectangle."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        return "cv2 is missing"
    photo, new, mask = scene(side)
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    centre = (mask.shape[0] - 1) / 2
    disc = (y - centre) ** 2 + (x - centre) ** 2 <= (side / 2) ** 2
    picture = photo, new, disc
    who = {"seamlessClone": clone(*picture), "cimgen poisson": ours(picture, BlendMode.POISSON)()}
    return "; ".join(
        f"{name} on a disc {changed_outside(picture, out) or 'changes 0 pixels outside'}" for name, out in who.items()
    )


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
