"""Find each piece of what is to be filled a whole, turned place of the scene to begin with.

The search for matching patches alone knows no roofs and no crossings. A piece begins as a copy of a place in the scene
where the map looks the same (turned by any angle, stretched by up to a sixth) and the photo continues what surrounds
it; what does not fit anywhere is halved and tried again, as in image quilting (Efros and Freeman 2001).
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.generators.atlas import CELL, Atlas, Scaling
from cimgen_qt.generators.examples import Classes, Example
from cimgen_qt.generators.pieces import KNOWN, PLACED, Piece, Target, cut, halves, hashed, is_ground

Ints = NDArray[np.int64]
Echoes = list[tuple[int, int]]
"""Steps (rows, cols) from a pixel of the target to its own place on the atlas; the last is that in its surroundings."""

TURNS = np.array([[round(4096 * f(k * math.pi / 64)) for f in (math.cos, math.sin)] for k in range(128)], np.int64)
"""Cosine and sine by 4096 of 128 directions; rounded, so that they are the same on every machine."""
OBJECT, GROUND, SMALLEST = 256, 128, 40
"""Longest side of a piece that is an object, of one that continues its surroundings, and of one not halved further."""
LEAST_AREA = 12
"""Smaller pieces are left to the search for patches."""
AGREE = 0.9
"""Share of a piece on which the classes have to agree, or it is halved."""
RING = 16
"""So far round a piece samples are taken."""
INSIDE_SAMPLES, RING_SAMPLES = 160, 120
CLASS_WEIGHT, BORDER_WEIGHT, RING_CLASS_WEIGHT = 16384, 6144, 6144
SAME_PHOTO_WEIGHT, OTHER_PHOTO_WEIGHT = 14000, 1500
"""The photo of the ring counts where it is of the piece's class, and hardly where it is of another."""
TONE_REACH = 48
"""So far round a piece the middle tone of its class is taken; an object need not keep to it."""
TONE_LEAST, TONE_WEIGHT, TONE_SPREAD = 64, 16384, 50 * 50
HOME, HOME_PRICE = 256, 2000
"""Ground is best taken from the surroundings: the price of a place as far as this or elsewhere."""
REMEMBERED = 48
"""So many places used last are avoided: what lies farther off may look alike."""
MOST_TRIES, ROUNDS, COARSE_CLIMBS, FINE_CLIMBS = 24000, 6, 300, 250


@dataclass(frozen=True, slots=True)
class View:
    """`example` lies over `window` of the target (whose corners are multiples of `CELL`) for the pixels of `piece`."""

    example: Example
    window: Window
    piece: Piece


class Samples(NamedTuple):
    """Pixels in and round a piece, relative to its anchor; `weights` and `tone` as `fitting.placing_cost` has them."""

    rows: Ints
    cols: Ints
    classes: Classes
    features: NDArray[np.int16]
    weights: Ints
    tone: Ints


class Fit(NamedTuple):
    """The pixel `anchor` of the target shows (`row`, `col`) of the atlas, turned by an entry of `TURNS` and scaled."""

    row: int
    col: int
    turn: int
    scales: tuple[int, int]
    anchor: tuple[int, int]


@dataclass(slots=True)
class Sources:
    """Where views are taken from: the atlas, the places of it that were used, and threads to look through it with."""

    atlas: Atlas
    scaling: Scaling
    echoes: Echoes
    pool: Executor
    used: list[tuple[int, int]] = field(default_factory=list)


def place(target: Target, sources: Sources, salt: int) -> Job[list[View]]:
    """Find a view for every piece that has one, and lay its features into the target."""
    queue = deque(piece for piece in cut(target) if piece.area >= LEAST_AREA)
    total = sum(piece.area for piece in queue)
    done, number = 0, 0
    views: list[View] = []
    while queue:
        piece = queue.popleft()
        number += 1
        fit = None
        if piece.side <= (GROUND if is_ground(piece, target) else OBJECT):
            fit = _fit(piece, target, sources, salt + 64 * number)
        view = None if fit is None else _view(piece, sources.atlas, fit)
        if piece.side > SMALLEST and (view is None or _agreement(view) < AGREE):
            queue.extendleft(reversed(halves(piece)))
        else:
            done += piece.area
            if fit is not None and view is not None:
                sources.used.append((fit.row, fit.col))
                views.append(view)
                _lay(view, target, sources.scaling)
        yield Progress(done, total, "Looking for similar places")
    return views


def _fit(piece: Piece, target: Target, sources: Sources, salt: int) -> Fit | None:
    """Where on the atlas the piece fits best: tried at a quarter of the size, then refined."""
    from cimgen_qt.generators import fitting, patchmatch

    coarse, fine = sources.atlas.levels[-1], sources.atlas.levels[0]
    order, starts = coarse.lists
    centres = order[starts[piece.class_id] : starts[piece.class_id + 1]]
    if not centres.size:
        return None
    anchor = piece.anchor
    own = [(anchor[0] + row, anchor[1] + col) for row, col in sources.echoes]
    taken = np.array(sources.used[-REMEMBERED:] + own, np.int64).reshape(-1, 2)
    price = HOME_PRICE if is_ground(piece, target) else 0
    home = np.array([*own[-1], sources.atlas.places[-1][0], HOME], np.int64)
    start = np.array([0, 0, 0, 64, 64, patchmatch.WORST], np.int64)
    samples = _samples(piece, target, CELL, salt)
    tries = min(MOST_TRIES, 2000 + 8 * piece.area) // ROUNDS

    def tried(turn: int) -> Ints:
        return fitting.seek(
            tries, COARSE_CLIMBS, salt * 16 + turn, start, centres, TURNS, taken // CELL, piece.side // CELL,
            home // CELL, price, *samples, coarse.classes, coarse.features,
        )  # fmt: skip

    best = min(sources.pool.map(tried, range(ROUNDS)), key=lambda found: int(found[5]))
    best[:2] = best[:2] * CELL + CELL // 2
    best[5] = patchmatch.WORST
    best = fitting.seek(
        0, FINE_CLIMBS, salt * 16 + ROUNDS, best, centres, TURNS, taken, piece.side,
        home, price, *_samples(piece, target, 1, salt + 1), fine.classes, fine.features,
    )  # fmt: skip
    row, col, turn, high, wide, _ = (int(value) for value in best)
    return Fit(row, col, turn, (high, wide), anchor)


def _samples(piece: Piece, target: Target, step: int, salt: int) -> Samples:
    """In units of `step` pixels."""
    outer = piece.window.padded(RING).intersect(Window(0, 0, *target.labels.shape))
    inside = np.zeros(outer.shape, bool)
    inside[piece.window.slices(outer)] = piece.mask
    state = target.state[outer.slices()]
    chosen = []
    for where, most in ((inside, INSIDE_SAMPLES), (~inside & (state > 0), RING_SAMPLES)):
        flat = np.flatnonzero(where)
        chosen.append(flat[np.argsort(hashed(flat.size, salt), kind="stable")[:most]])
    within, ring = chosen[0].size, max(1, chosen[1].size)
    flat = np.concatenate(chosen)
    flat_classes = target.labels[outer.slices()].ravel()[flat]
    weights = np.zeros((flat.size, 3), np.int64)
    weights[:within] = CLASS_WEIGHT // within, BORDER_WEIGHT // within, 0
    weights[within:, 0] = RING_CLASS_WEIGHT // ring
    photo = np.where(flat_classes[within:] == piece.class_id, SAME_PHOTO_WEIGHT, OTHER_PHOTO_WEIGHT) // ring
    weights[within:, 2] = np.where(state.ravel()[chosen[1]] >= PLACED, photo, 0)
    mix = np.argsort(hashed(flat.size, salt + 7), kind="stable")
    rows, cols = np.divmod(flat[mix], outer.width)
    rows, cols = rows + outer.row, cols + outer.col
    at = rows // step - piece.anchor[0] // step, cols // step - piece.anchor[1] // step
    return Samples(*at, flat_classes[mix], _features(target, rows, cols, step), weights[mix], _tone(piece, target))


def _tone(piece: Piece, target: Target) -> NDArray[np.int64]:
    """Middle features of the same class round a piece, and a weight: little where they vary, 0 where few are known."""
    outer = piece.window.padded(TONE_REACH).intersect(Window(0, 0, *target.labels.shape)).slices()
    same = (target.labels[outer] == piece.class_id) & (target.state[outer] == KNOWN)
    tone = np.zeros(4, np.int64)
    count = int(np.count_nonzero(same))
    if count >= TONE_LEAST:
        found = target.features[outer][same][:, :3].astype(np.int64)
        tone[:3] = np.median(found, axis=0).astype(np.int64)
        spread = int(np.median(np.abs(found - tone[:3]))) ** 2
        tone[3] = TONE_WEIGHT * TONE_SPREAD // (TONE_SPREAD + spread)
        if not is_ground(piece, target):
            tone[3] //= 4
    return tone


def _features(target: Target, rows: Ints, cols: Ints, step: int) -> NDArray[np.int16]:
    """Target features at points: the photo (its mean over `step` x `step` pixels) and the distance to the border."""
    features: NDArray[np.int16] = target.features[rows, cols]
    if step > 1:
        total = np.zeros((rows.size, 3), np.int64)
        count = np.zeros((rows.size, 1), np.int64)
        for k in range(step * step):
            v, u = rows // step * step + k // step, cols // step * step + k % step
            known = target.state[v, u] >= PLACED
            total += np.where(known[:, None], target.features[v, u, :3], 0)
            count += known[:, None]
        features[:, :3] = total // np.maximum(count, 1)
    number = step.bit_length() - 1
    features[:, 3] = target.levels[number].features[rows // step, cols // step, 3]
    return features


def _view(piece: Piece, atlas: Atlas, fit: Fit) -> View:
    from cimgen_qt.generators import fitting

    outer = piece.window.padded(RING)
    top, left = outer.row // CELL * CELL, outer.col // CELL * CELL
    window = Window(top, left, -(-(outer.bottom - top) // CELL) * CELL, -(-(outer.right - left) // CELL) * CELL)
    reach = int(1.25 * np.hypot(*window.shape)) + 2
    near = Window(fit.row - reach, fit.col - reach, 2 * reach, 2 * reach).intersect(Window(0, 0, *atlas.shape))
    pixels, classes = fitting.warp(
        atlas.pixels[near.slices()].astype(np.float32), atlas.levels[0].classes[near.slices()],
        fit.row - near.row, fit.col - near.col, int(TURNS[fit.turn, 0]), int(TURNS[fit.turn, 1]), *fit.scales,
        fit.anchor[0] - top, fit.anchor[1] - left, *window.shape,
    )  # fmt: skip
    if atlas.pixels.dtype.kind != "f":
        pixels = np.rint(pixels)
    return View(Example(pixels.astype(atlas.pixels.dtype), classes), window, piece)


def _agreement(view: View) -> float:
    got = view.example.classes[view.piece.window.slices(view.window)][view.piece.mask]
    return float(np.mean(got == view.piece.class_id))


def _lay(view: View, target: Target, scaling: Scaling) -> None:
    """Take the view's features over into the target where its class agrees."""
    piece = view.piece
    inner = piece.window.slices(view.window)
    classes = view.example.classes[inner]
    where = piece.mask & (classes == piece.class_id)
    features = scaling.features(view.example.pixels[inner], classes >= 0)
    here = piece.window.slices()
    target.features[here][where, :3] = features[where, :3]
    target.state[here][where] = PLACED
