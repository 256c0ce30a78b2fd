"""Find where in the scene a turned piece fits, and turn it: the compiled inner loops of placing.

Imported inside functions only, as `patchmatch` is. Positions are whole numbers with `SUBPIXEL` bits behind the point.
"""

from __future__ import annotations

import numpy as np

from cimgen_qt.generators.patchmatch import Ints, compiled, mixed

SUBPIXEL = 18
"""12 bits of the sine, 6 of the scale."""
LEAST_SCALE, MOST_SCALE = 54, 75
"""By 64: a piece is stretched by a sixth at most."""


@compiled
def placing_cost(
    row: int,
    col: int,
    cosine: int,
    sine: int,
    scale_row: int,
    scale_col: int,
    rows: Ints,
    cols: Ints,
    classes: Ints,
    features: Ints,
    weights: Ints,
    tone: Ints,
    library: Ints,
    library_features: Ints,
    limit: int,
) -> int:
    """How badly the library, turned and scaled, fits the samples of a piece round (`row`, `col`); units are nothing.

    `weights` (samples, 3): of the class, of the distance to its border, of the photo. `tone`: the mean features that
    the inside (samples with a weight of the distance) should have, and the weight of that.
    """
    height, width = library.shape
    half = 1 << (SUBPIXEL - 1)
    total = 0
    t0 = t1 = t2 = inside = 0
    for i in range(rows.size):
        dy, dx = rows[i] * scale_row, cols[i] * scale_col
        y = row + ((cosine * dy - sine * dx + half) >> SUBPIXEL)
        x = col + ((sine * dy + cosine * dx + half) >> SUBPIXEL)
        if y < 0 or x < 0 or y >= height or x >= width or library[y, x] != classes[i]:
            total += weights[i, 0]
        else:
            far = abs(np.int32(library_features[y, x, 3]) - np.int32(features[i, 3]))
            total += weights[i, 1] * min(far, 255) >> 8
            if weights[i, 1] > 0:
                t0 += library_features[y, x, 0]
                t1 += library_features[y, x, 1]
                t2 += library_features[y, x, 2]
                inside += 1
            if weights[i, 2] > 0:
                d0 = np.int32(library_features[y, x, 0]) - np.int32(features[i, 0])
                d1 = np.int32(library_features[y, x, 1]) - np.int32(features[i, 1])
                d2 = np.int32(library_features[y, x, 2]) - np.int32(features[i, 2])
                total += weights[i, 2] * min((d0 * d0 + d1 * d1 + d2 * d2) >> 8, 255) >> 8
        if total >= limit:
            return limit
    if inside > 0 and tone[3] > 0:
        t0 = t0 // inside - tone[0]
        t1 = t1 // inside - tone[1]
        t2 = t2 // inside - tone[2]
        total += tone[3] * min((t0 * t0 + t1 * t1 + t2 * t2) >> 6, 1023) >> 10
    return total


@compiled
def nudge(place: Ints, random: int, turns: int) -> None:
    """Move, turn or stretch a place (row, col, turn, row scale, col scale) a little."""
    step = 1 + (random >> 4) % 3
    if (random >> 8) & 1:
        step = -step
    which = random % 4
    if which < 2:
        place[which] += step
    elif which == 2:
        place[2] = (place[2] + step) % turns
    else:
        axis = 3 + ((random >> 9) & 1)
        place[axis] = min(max(place[axis] + step, LEAST_SCALE), MOST_SCALE)


@compiled
def seek(
    tries: int,
    climbs: int,
    salt: int,
    start: Ints,
    centres: Ints,
    turns: Ints,
    used: Ints,
    apart: int,
    home: Ints,
    home_price: int,
    rows: Ints,
    cols: Ints,
    classes: Ints,
    features: Ints,
    weights: Ints,
    tone: Ints,
    library: Ints,
    library_features: Ints,
) -> Ints:
    """The best of `tries` random places, then `climbs` steps uphill: (row, col, turn, row scale, col scale, cost).

    `start` is where the climb begins where `tries` is 0. `turns` (n, 2) are cosine and sine by 4096; scales are by 64.
    `used` (n, 2) are places to keep `apart` pixels away from, at a price. `home` is
    (row, col, first row of the surroundings, reach): what lies farther from home than `reach` costs `home_price`.
    """
    best: Ints = start.copy()
    other: Ints = start.copy()
    random = mixed(salt)
    for attempt in range(tries + climbs):
        random = mixed(random + 0x1B873593)
        other[:] = best
        if attempt < tries:
            centre = centres[random % centres.size]
            other[0], other[1] = centre // library.shape[1], centre % library.shape[1]
            random = mixed(random + 0x1B873593)
            other[2] = random % turns.shape[0] if (random >> 16) % 4 else 0
            other[3] = other[4] = 64
        elif attempt > 0:
            nudge(other, random, turns.shape[0])
        cosine, sine = turns[other[2], 0], turns[other[2], 1]
        price = ((4096 - cosine) >> 3) + 8 * (abs(other[3] - 64) + abs(other[4] - 64))
        for k in range(used.shape[0]):
            if abs(used[k, 0] - other[0]) < apart and abs(used[k, 1] - other[1]) < apart:
                price += 4096
        if home_price > 0:
            far = max(abs(other[0] - home[0]), abs(other[1] - home[1])) if other[0] >= home[2] else home[3]
            price += home_price * min(far, home[3]) // home[3]
        cost = price
        if cost < best[5]:
            cost += placing_cost(
                other[0], other[1], cosine, sine, other[3], other[4],
                rows, cols, classes, features, weights, tone, library, library_features, best[5] - price,
            )  # fmt: skip
        if cost < best[5]:
            best[:] = other
            best[5] = cost
    return best


@compiled
def mix(pixels: Ints, classes: Ints, label: int, top: int, left: int, down: float, right: float, into: Ints) -> None:
    """The photo between pixels, `down` and `right` (0 to 1) of (`top`, `left`), from pixels of one class alone.

    Bicubic (Catmull and Rom 1974) within the range of the four pixels around, so that it stays sharp and in the class;
    bilinear where another class is near.
    """
    height, width, bands = pixels.shape
    whole = True
    for k in range(16):
        v, u = top - 1 + k // 4, left - 1 + k % 4
        whole &= 0 <= v < height and 0 <= u < width and classes[v, u] == label
    low, high, total = np.full(bands, np.inf), np.full(bands, -np.inf), np.zeros(bands)
    weight = 0.0
    for k in range(4):
        v, u = top + k // 2, left + k % 2
        if not (0 <= v < height and 0 <= u < width and classes[v, u] == label):
            continue
        w = (down if k // 2 else 1.0 - down) * (right if k % 2 else 1.0 - right)
        weight += w
        for b in range(bands):
            value = float(pixels[v, u, b])
            total[b] += w * value
            low[b], high[b] = min(low[b], value), max(high[b], value)
    if whole:
        weight = 1.0
        total[:] = 0.0
        for k in range(16):
            w = cubic(down - (k // 4 - 1)) * cubic(right - (k % 4 - 1))
            for b in range(bands):
                total[b] += w * float(pixels[top - 1 + k // 4, left - 1 + k % 4, b])
    for b in range(bands):
        into[b] = np.float32(min(max(total[b] / weight, low[b]), high[b]))


@compiled
def cubic(far: float) -> float:
    """The weight of a sample `far` away."""
    far = abs(far)
    if far < 1.0:
        return 1.0 + far * far * (1.5 * far - 2.5)
    return 2.0 + far * (-4.0 + far * (2.5 - 0.5 * far)) if far < 2.0 else 0.0


@compiled
def warp(
    pixels: Ints,
    classes: Ints,
    row: int,
    col: int,
    cosine: int,
    sine: int,
    scale_row: int,
    scale_col: int,
    anchor_row: int,
    anchor_col: int,
    height: int,
    width: int,
) -> tuple[Ints, Ints]:
    """A turned view of float32 (height, width, band) `pixels`: its (anchor_row, anchor_col) shows (`row`, `col`)."""
    view = np.zeros((height, width, pixels.shape[2]), np.float32)
    view_classes = np.full((height, width), -1, np.int16)
    one = 1 << SUBPIXEL
    half = one >> 1
    for i in range(height):
        for j in range(width):
            dy, dx = (i - anchor_row) * scale_row, (j - anchor_col) * scale_col
            y = row * one + cosine * dy - sine * dx
            x = col * one + sine * dy + cosine * dx
            near_y, near_x = (y + half) >> SUBPIXEL, (x + half) >> SUBPIXEL
            if near_y < 0 or near_x < 0 or near_y >= classes.shape[0] or near_x >= classes.shape[1]:
                continue
            label = classes[near_y, near_x]
            view_classes[i, j] = label
            if label < 0:
                continue
            top, left = y >> SUBPIXEL, x >> SUBPIXEL
            mix(pixels, classes, label, top, left, (y - top * one) / one, (x - left * one) / one, view[i, j])
    return view, view_classes
