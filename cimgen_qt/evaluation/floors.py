"""How far apart photos of one dataset are among themselves: what no difference between ways can be told below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cimgen_qt.evaluation.distances import Estimate, Features

HALVINGS = 20


def split_half(
    parts: Sequence[Features], tiles: Sequence[str], measure: Callable[[Features, Features], float], seed: int = 0
) -> Estimate | None:
    """Distance between the features of one half of the tiles and those of the other, over random halvings.

    `parts` holds the features of each edit and `tiles` where it lies: patches of one tile stay together, as they
    overlap and look alike. Halves hold half as many patches as a comparison of all, so the floor of that is lower.
    None where a half would have fewer than two patches.
    """
    names = sorted(set(tiles))
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(HALVINGS):
        chosen = {names[int(n)] for n in rng.permutation(len(names))[: len(names) // 2]}
        one = [part for part, tile in zip(parts, tiles, strict=True) if tile in chosen]
        other = [part for part, tile in zip(parts, tiles, strict=True) if tile not in chosen]
        if min(sum(map(len, one)), sum(map(len, other))) >= 2:
            found.append(measure(np.concatenate(one), np.concatenate(other)))
    return Estimate(float(np.mean(found)), float(np.std(found))) if found else None
