"""Which tiles are learned from and which are held out: by scene, or by blocks of ground with a gap between."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window

GAP = "gap"
"""Tiles between ground of two splits: they are left out, for they touch both."""


@dataclass(frozen=True, slots=True)
class SplitRule:
    """`test` and `validation` are regular expressions that a scene's name has to contain.

    Scenes that neither names are cut into blocks of `block` x `block` tiles, of which the share `held_out` is held out
    for validation, as far as there is none yet; their neighbours are left out.
    """

    test: str = ""
    validation: str = ""
    held_out: float = 0.0
    block: int = 2


def split_of_scene(name: str, rule: SplitRule) -> str | None:
    """ "test" or "validation" for a whole scene; None where its tiles may be learned from. Raises CimgenError."""
    for split, pattern in (("test", rule.test), ("validation", rule.validation)):
        try:
            if pattern and re.search(pattern, name):
                return split
        except re.error as error:
            raise CimgenError(f"{pattern!r} is no pattern: {error}", hint="Such as tile[26] or ^north.") from error
    return None


def split_blocks(tiles: Sequence[Window], side: int, rule: SplitRule, seed: Sequence[int]) -> list[str]:
    """ "train", "validation" or `GAP` for each tile of one scene: no tile of one touches a tile of the other."""
    if rule.held_out <= 0 or len(tiles) < 2:
        return ["train"] * len(tiles)
    places = np.array([(tile.row // side, tile.col // side) for tile in tiles])
    blocks = places // rule.block
    names = sorted({(int(r), int(c)) for r, c in blocks})
    rng = np.random.default_rng(seed)
    wanted = rule.held_out * len(names)
    count = int(wanted) + int(rng.random() < wanted % 1)  # a small scene holds out a block now and then, not always
    if not count:
        return ["train"] * len(tiles)
    picked = [names[int(n)] for n in rng.permutation(len(names))[:count]]
    held = np.array([(int(r), int(c)) in picked for r, c in blocks])
    if held.all():
        return ["train"] * len(tiles)
    mine = places[held]
    beside = np.array([(np.abs(mine - place).max(1) <= 1).any() for place in places])
    return ["validation" if h else GAP if b else "train" for h, b in zip(held, beside, strict=True)]
