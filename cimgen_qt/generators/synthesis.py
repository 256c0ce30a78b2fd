"""Heal placed pieces into one picture, from coarse to fine: search the best patches, let them vote, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Mask
from cimgen_qt.generators.atlas import LEVELS, Atlas, Level
from cimgen_qt.generators.pieces import KNOWN, PLACED, UNKNOWN, Target, hashed
from cimgen_qt.generators.placing import View

RADIUS = 3
"""Patches measure 7 x 7."""
CHUNK = 8192
"""Points that one call of a compiled loop takes: far below 0.2 s."""
ROUNDS = ((2, 2), (3, 2), (6, 2))
"""By level from the finest: how often the pixels are voted anew, and how many search passes go before each vote."""
STEPS = (1, 4, 2, 1)
REACH = 48
KNOWN_WEIGHT = 3
TRUST = 300
"""Cost a pixel at which a patch has half a say."""

Flat = NDArray[np.int64]


@dataclass(slots=True)
class Field:
    """One level of the target, flat, with the present match of each point to be filled."""

    width: int
    features: NDArray[np.int16]
    labels: NDArray[np.int16]
    weight: NDArray[np.uint8]
    points: Flat
    slot: NDArray[np.int32]
    match: Flat
    cost: Flat


def synthesise(
    target: Target, atlas: Atlas, views: Sequence[View], salt: int, pool: Executor, threads: int
) -> Job[Flat]:
    """Flat indices in the atlas (whose last places are those of `views`), one for each point to be filled, in order."""
    yield Progress(0, 0, "Filling")
    levels = target_levels(target)
    served = [_serves(source, level) for source, level in zip(atlas.levels, levels, strict=True)]
    top = next((n for n in range(1, LEVELS) if not served[n]), LEVELS) - 1
    total = sum(rounds * (passes + 2) + 1 for rounds, passes in ROUNDS[: top + 1])
    done = 0
    field: Field | None = None
    for number in range(top, -1, -1):
        source = atlas.levels[number]
        yield Progress(done, total, "Filling")
        finer = _begin(levels[number], source, number, atlas, views, salt)
        search = _Search(finer, source, pool, threads)
        if field is not None:
            _inherit(finer, field, source, salt + number)
        field = finer
        for step in _steps(search, number, number < top, salt):
            for _ in step:
                yield Progress(done, total, "Filling")
            done += 1
    return search.elected


def _steps(search: _Search, number: int, inherited: bool, salt: int) -> Iterator[Iterator[None]]:
    """What is done at one level, each step an iterator that does its work in short parts."""
    if inherited:
        yield search.vote()
    rounds, passes = ROUNDS[number]
    for turn in range(rounds):
        yield search.costs()
        for k in range(turn * passes, (turn + 1) * passes):
            yield search.improve(STEPS[k % len(STEPS)], salt + 1000 * number + k)
        yield search.vote()
    if number == 0:
        yield search.elect()


def target_levels(target: Target) -> list[tuple[Level, NDArray[np.uint8]]]:
    """Each level of the target and its states."""
    from cimgen_qt.generators import patchmatch

    features, labels, state = target.features.copy(), target.labels, target.state
    made = [(Level(features, labels), state)]
    for number in range(1, LEVELS):
        wanted = np.where((state == UNKNOWN) | (state == PLACED), labels, np.int16(-1))
        placed, unknown = _any_of_four(state == PLACED), _any_of_four(state == UNKNOWN)
        own_features, own_labels, _ = patchmatch.halved(features, wanted, (state == PLACED).astype(np.uint8))
        features, labels, whole = patchmatch.halved(features, labels, (state == KNOWN).astype(np.uint8))
        # What is wanted of a block has the say in it, so that no class is wanted that is only beside the change.
        features[own_labels >= 0] = own_features[own_labels >= 0]
        labels = np.where(own_labels >= 0, own_labels, labels)
        features[..., 3] = target.levels[number].features[..., 3]
        state = np.select([placed, unknown, whole != 0], [PLACED, UNKNOWN, KNOWN], 0).astype(np.uint8)
        made.append((Level(features, labels), state))
    return made


def _any_of_four(mask: Mask) -> Mask:
    wide = mask[0::2] | mask[1::2]
    return wide[:, 0::2] | wide[:, 1::2]


def _serves(source: Level, level: tuple[Level, NDArray[np.uint8]]) -> bool:
    target, state = level
    starts = source.lists[1]
    classes = np.unique(target.classes[(state == UNKNOWN) | (state == PLACED)])
    return bool(classes.size) and all(c >= 0 and starts[c + 1] > starts[c] for c in classes)


def _begin(
    level: tuple[Level, NDArray[np.uint8]], source: Level, number: int, atlas: Atlas, views: Sequence[View], salt: int
) -> Field:
    """A field that starts from the views, and from random pixels of the right class where there is none."""
    target, states = level
    state, width = states.ravel(), states.shape[1]
    points = np.flatnonzero((state == UNKNOWN) | (state == PLACED))
    slot = np.full(state.size, -1, np.int32)
    slot[points] = np.arange(points.size, dtype=np.int32)
    labels = target.classes.ravel()
    match = _random(labels[points], source, salt)
    for view, place in zip(views, atlas.places[len(atlas.places) - len(views) :], strict=True):
        rows, cols = _shrunk(view, number)
        at = slot[rows * width + cols]
        rows_there = rows + (place[0] - view.window.row >> number)
        there = rows_there * source.classes.shape[1] + cols + (place[1] - view.window.col >> number)
        fits = (at >= 0) & (source.classes.ravel()[there] == target.classes[rows, cols])
        match[at[fits]] = there[fits]
    weight = np.select([state == KNOWN, state == PLACED], [KNOWN_WEIGHT, 1], 0).astype(np.uint8)
    cost = np.zeros(points.size, np.int64)
    return Field(width, target.features.reshape(-1, 4), labels, weight, points, slot, match, cost)


def _shrunk(view: View, number: int) -> tuple[Flat, Flat]:
    """Rows and cols of the view's piece at a coarser level."""
    rows, cols = np.nonzero(view.piece.mask)
    rows, cols = (rows + view.piece.window.row) >> number, (cols + view.piece.window.col) >> number
    top, left = rows.min(), cols.min()
    mask = np.zeros((rows.max() - top + 1, cols.max() - left + 1), bool)
    mask[rows - top, cols - left] = True
    rows, cols = np.nonzero(mask)
    return rows + top, cols + left


def _random(labels: NDArray[np.int16], source: Level, salt: int) -> Flat:
    order, starts = source.lists
    begin, end = starts[labels], starts[labels + 1]
    picked: Flat = order[begin + hashed(labels.size, salt) % np.maximum(end - begin, 1)]
    return picked


def _inherit(field: Field, coarse: Field, source: Level, salt: int) -> None:
    """Take over the matches of the level above; what would be of a wrong class stays random."""
    rows, cols = np.divmod(field.points, field.width)
    parent = coarse.slot[(rows // 2) * coarse.width + cols // 2]
    width = source.classes.shape[1]
    up_row, up_col = np.divmod(coarse.match[parent], width // 2)
    match = (2 * up_row + rows % 2) * width + 2 * up_col + cols % 2
    fits = source.classes.ravel()[match] == field.labels[field.points]
    field.match[fits] = match[fits]
    field.match[~fits] = _random(field.labels[field.points[~fits]], source, salt)


class _Search:
    """The compiled loops over one field, in chunks; each method yields between batches of chunks."""

    def __init__(self, field: Field, source: Level, pool: Executor, threads: int) -> None:
        self.field, self._pool, self._threads = field, pool, threads
        self._source = source.features.reshape(-1, 4)
        self._classes = source.classes.ravel()
        self._source_width = source.classes.shape[1]
        self._lists, self._starts = source.lists
        square = [(r, c) for r in range(-RADIUS, RADIUS + 1) for c in range(-RADIUS, RADIUS + 1)]
        square.sort(key=lambda p: (max(abs(p[0]), abs(p[1])), p))
        self._offsets = np.array([r * field.width + c for r, c in square], np.int64)
        self._source_offsets = np.array([r * self._source_width + c for r, c in square], np.int64)
        self._voted = np.zeros((field.points.size, 3), np.int64)
        self.elected = field.match

    def costs(self) -> Iterator[None]:
        from cimgen_qt.generators import patchmatch

        f = self.field
        yield from self._each(
            patchmatch.costs, f.points, f.features, f.labels, f.weight, self._offsets, self._source, self._classes,
            self._source_offsets, f.match, f.cost,
        )  # fmt: skip

    def improve(self, step: int, salt: int) -> Iterator[None]:
        from cimgen_qt.generators import patchmatch

        f = self.field
        match, cost = np.empty_like(f.match), np.empty_like(f.cost)
        yield from self._each(
            _bound(patchmatch.improve, step, salt), f.points, f.slot, f.width, f.features, f.labels, f.weight,
            self._offsets, self._source, self._classes, self._source_offsets, self._source_width, self._lists,
            self._starts, REACH, f.match, f.cost, match, cost,
        )  # fmt: skip
        f.match, f.cost = match, cost

    def vote(self) -> Iterator[None]:
        """New features for all points, from their matches."""
        from cimgen_qt.generators import patchmatch

        f = self.field
        trust = 1 + 4096 * TRUST // (TRUST + f.cost // self._offsets.size)
        yield from self._each(
            patchmatch.vote, f.points, f.slot, f.labels, self._offsets, self._source, self._classes,
            self._source_offsets, f.match, trust, self._voted,
        )  # fmt: skip
        f.features[f.points, :3] = self._voted
        f.weight[f.points] = 1

    def elect(self) -> Iterator[None]:
        from cimgen_qt.generators import patchmatch

        f = self.field
        self.elected = np.empty_like(f.match)
        yield from self._each(
            patchmatch.elect, f.points, f.slot, f.labels, self._offsets, self._source, self._classes,
            self._source_offsets, f.match, self._voted, self.elected,
        )  # fmt: skip

    def _each(self, loop: Callable[..., None], *arguments: object) -> Iterator[None]:
        begins = range(0, self.field.points.size, CHUNK)
        for first in range(0, len(begins), self._threads):
            batch = [
                self._pool.submit(loop, begin, min(begin + CHUNK, self.field.points.size), *arguments)
                for begin in begins[first : first + self._threads]
            ]
            for part in batch:
                part.result()
            yield


def _bound(loop: Callable[..., None], step: int, salt: int) -> Callable[..., None]:
    return lambda begin, end, *arguments: loop(begin, end, step, salt, *arguments)
