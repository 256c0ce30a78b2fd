"""Search, vote and shrink: the compiled inner loops of the exemplar generator, in whole numbers throughout.

The search is PatchMatch (Barnes et al. 2009) with every pass reading the pass before, so the result depends on no
order and no number of threads; the vote is that of Wexler et al. (2007). This file alone imports numba at module
level, for its cache on disk needs functions of a module; it is itself imported inside functions only.

Flat arrays: a target or a source of (height, width) pixels is indexed by row * width + col. `features` are int16
(pixels, 4): three of the photo and the distance to the border of the class. `classes` are int16, -1: not usable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]

MISMATCH = 3 * 260 * 260
"""Cost of a pixel of the wrong class: as that of a strong edge."""
WORST = 2**31 - 1

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Machine code that runs without the interpreter's lock; kept on disk where there is a place for it."""
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # a frozen program has no source file to keep it beside
        return cast(F, numba.njit(nogil=True)(function))


@compiled
def mixed(value: int) -> int:
    """A 32-bit hash of full avalanche (xorshift-multiply); its factors keep the products within 63 bits."""
    value = value & 0xFFFFFFFF
    value ^= value >> 16
    value = (value * 0x21F0AAAD) & 0xFFFFFFFF
    value ^= value >> 15
    value = (value * 0x735A2D97) & 0xFFFFFFFF
    return value ^ (value >> 15)


@compiled
def patch_cost(
    features: Ints,
    labels: Ints,
    weight: Ints,
    at: int,
    offsets: Ints,
    source: Ints,
    classes: Ints,
    s: int,
    source_offsets: Ints,
    limit: int,
) -> int:
    """Squared distance of two patches, given up once it reaches `limit`."""
    total = 0
    for k in range(offsets.size):
        q = at + offsets[k]
        w = weight[q]
        if w == 0:
            continue
        r = s + source_offsets[k]
        if classes[r] != labels[q]:
            total += w * MISMATCH
        else:
            d0 = np.int32(features[q, 0]) - np.int32(source[r, 0])
            d1 = np.int32(features[q, 1]) - np.int32(source[r, 1])
            d2 = np.int32(features[q, 2]) - np.int32(source[r, 2])
            d3 = np.int32(features[q, 3]) - np.int32(source[r, 3])
            total += w * (d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3)
        if total >= limit:
            return limit
    return total


@compiled
def costs(
    begin: int,
    end: int,
    points: Ints,
    features: Ints,
    labels: Ints,
    weight: Ints,
    offsets: Ints,
    source: Ints,
    classes: Ints,
    source_offsets: Ints,
    match: Ints,
    cost: Ints,
) -> None:
    """Cost of the present match of points `begin` to `end`, after the features have changed."""
    for i in range(begin, end):
        cost[i] = patch_cost(
            features, labels, weight, points[i], offsets, source, classes, match[i], source_offsets, WORST
        )


@compiled
def improve(
    begin: int,
    end: int,
    step: int,
    salt: int,
    points: Ints,
    slot: Ints,
    width: int,
    features: Ints,
    labels: Ints,
    weight: Ints,
    offsets: Ints,
    source: Ints,
    classes: Ints,
    source_offsets: Ints,
    source_width: int,
    lists: Ints,
    starts: Ints,
    reach: int,
    match: Ints,
    cost: Ints,
    new_match: Ints,
    new_cost: Ints,
) -> None:
    """One pass for points `begin` to `end`: the matches of four neighbours, then random ones ever nearer."""
    for i in range(begin, end):
        p = points[i]
        label = labels[p]
        best, best_cost = match[i], cost[i]
        for k in range(4):
            drow = step * (1 - k) if k % 2 == 0 else 0
            dcol = step * (2 - k) if k % 2 == 1 else 0
            q = p + drow * width + dcol
            if q < 0 or q >= slot.size or slot[q] < 0:
                continue
            s = match[slot[q]] - drow * source_width - dcol
            if s < 0 or s >= classes.size or s == best or classes[s] != label:
                continue
            c = patch_cost(features, labels, weight, p, offsets, source, classes, s, source_offsets, best_cost)
            if c < best_cost:
                best, best_cost = s, c
        random = mixed(salt ^ mixed(p + 1))
        radius = reach
        first = True
        while radius >= 1:
            random = mixed(random + 0x2545F491)
            if first:
                count = starts[label + 1] - starts[label]
                s = lists[starts[label] + random % count]
                first = False
            else:
                drow = (random & 0xFFFF) % (2 * radius + 1) - radius
                dcol = (random >> 16) % (2 * radius + 1) - radius
                s = best + drow * source_width + dcol
                radius //= 3
            if s < 0 or s >= classes.size or s == best or classes[s] != label:
                continue
            c = patch_cost(features, labels, weight, p, offsets, source, classes, s, source_offsets, best_cost)
            if c < best_cost:
                best, best_cost = s, c
        new_match[i] = best
        new_cost[i] = best_cost


@compiled
def vote(
    begin: int,
    end: int,
    points: Ints,
    slot: Ints,
    labels: Ints,
    offsets: Ints,
    source: Ints,
    classes: Ints,
    source_offsets: Ints,
    match: Ints,
    trust: Ints,
    voted: Ints,
) -> None:
    """The mean of what all patches over a point say of it, into `voted` (points, 3), from same-class pixels only."""
    for i in range(begin, end):
        p = points[i]
        label = labels[p]
        a = b = c = total = np.int64(0)
        for k in range(offsets.size):
            j = slot[p - offsets[k]]
            if j < 0:
                continue
            s = match[j] + source_offsets[k]
            if classes[s] != label:
                continue
            w = np.int64(trust[j])
            total += w
            a += w * source[s, 0]
            b += w * source[s, 1]
            c += w * source[s, 2]
        voted[i, 0] = (a + total // 2) // total
        voted[i, 1] = (b + total // 2) // total
        voted[i, 2] = (c + total // 2) // total


@compiled
def elect(
    begin: int,
    end: int,
    points: Ints,
    slot: Ints,
    labels: Ints,
    offsets: Ints,
    source: Ints,
    classes: Ints,
    source_offsets: Ints,
    match: Ints,
    voted: Ints,
    elected: Ints,
) -> None:
    """Of all source pixels proposed for a point, the one nearest to the vote: a sharp pixel in place of a mean."""
    for i in range(begin, end):
        p = points[i]
        best, best_cost = match[i], WORST
        for k in range(offsets.size):
            j = slot[p - offsets[k]]
            if j < 0:
                continue
            s = match[j] + source_offsets[k]
            if classes[s] != labels[p]:
                continue
            d0 = np.int32(voted[i, 0]) - np.int32(source[s, 0])
            d1 = np.int32(voted[i, 1]) - np.int32(source[s, 1])
            d2 = np.int32(voted[i, 2]) - np.int32(source[s, 2])
            c = d0 * d0 + d1 * d1 + d2 * d2
            if c < best_cost:
                best, best_cost = s, c
        elected[i] = best


@compiled
def chamfer(classes: Ints, cap: int) -> Ints:
    """Three times the distance of each pixel of (height, width) to the nearest one of another class, at most `cap`.

    Borgefors's 3-4 chamfer distance. -1 and the rim of the array are no border.
    """
    height, width = classes.shape
    far = np.full((height, width), cap, np.int16)
    for y in range(height):
        for x in range(width):
            here = classes[y, x]
            near = far[y, x]
            for k in range(4):
                v, u = (y, x - 1) if k == 0 else (y - 1, x + k - 2)
                if v < 0 or u < 0 or u >= width or classes[v, u] < 0:
                    continue
                step = 4 if k % 2 else 3
                near = min(near, step if classes[v, u] != here else far[v, u] + step)
            far[y, x] = near
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            here = classes[y, x]
            near = far[y, x]
            for k in range(4):
                v, u = (y, x + 1) if k == 0 else (y + 1, x + k - 2)
                if v >= height or u < 0 or u >= width or classes[v, u] < 0:
                    continue
                step = 4 if k % 2 else 3
                near = min(near, step if classes[v, u] != here else far[v, u] + step)
            far[y, x] = near
    return far


@compiled
def halved(features: Ints, classes: Ints, known: Ints) -> tuple[Ints, Ints, Ints]:
    """(height, width) by two: the commonest class of each four pixels, the mean of its known ones, known if all are."""
    height, width = classes.shape[0] // 2, classes.shape[1] // 2
    small = np.zeros((height, width, 4), np.int16)
    small_classes = np.full((height, width), -1, np.int16)
    small_known = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            best, votes = np.int16(-1), 0
            for k in range(4):
                one = classes[2 * y + k // 2, 2 * x + k % 2]
                same = 0
                for m in range(4):
                    same += classes[2 * y + m // 2, 2 * x + m % 2] == one
                if one >= 0 and same > votes:
                    best, votes = one, same
            small_classes[y, x] = best
            total0 = total1 = total2 = count = everything = 0
            for k in range(4):
                v, u = 2 * y + k // 2, 2 * x + k % 2
                everything += known[v, u] != 0
                if classes[v, u] == best and known[v, u] != 0:
                    total0 += features[v, u, 0]
                    total1 += features[v, u, 1]
                    total2 += features[v, u, 2]
                    count += 1
            if count > 0:
                small[y, x, 0] = total0 // count
                small[y, x, 1] = total1 // count
                small[y, x, 2] = total2 // count
            small_known[y, x] = everything == 4
    return small, small_classes, small_known
