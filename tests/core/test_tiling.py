"""A tile is cut to what is needed, in whole strides, and never to more than the tile itself costs."""

from __future__ import annotations

import numpy as np
import pytest

from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.grid import Window
from cimgen_qt.core.tiling import MOST_PARTS, Lattice, Tile

SPEC = GeneratorSpec("x", tile=1024, stride=16, halo=84, exact=True)


def tile_of(lattice: Lattice) -> Tile:
    (tile,) = lattice.tiles_under(Window(0, 0, 10, 10))
    return tile


def fed(parts: list[Tile]) -> int:
    return sum(part.height * part.width for part in parts)


def test_a_small_need_is_cut_out_with_the_whole_halo_in_whole_strides() -> None:
    lattice = Lattice(SPEC)
    (part,) = lattice.cut(tile_of(lattice), [Window(500, 301, 64, 64)])
    assert part.inner == Window(496, 288, 80, 80)
    assert part.outer == part.inner.padded(96)
    assert part.outer.row % 16 == part.outer.col % 16 == part.height % 16 == part.width % 16 == 0
    assert fed([part]) * 15 < fed([tile_of(lattice)])


def test_needs_far_from_each_other_are_made_alone_and_near_ones_together() -> None:
    lattice, a, b = Lattice(SPEC), Window(0, 0, 32, 32), Window(960, 960, 32, 32)
    far = lattice.cut(tile_of(lattice), [a, b])
    assert {part.inner for part in far} == {a, b}
    (near,) = lattice.cut(tile_of(lattice), [a, Window(40, 8, 32, 32)])
    assert near.inner == Window(0, 0, 80, 48)


def test_the_order_of_the_needs_does_not_matter() -> None:
    random, lattice = np.random.default_rng(4), Lattice(SPEC)
    needs = [Window(int(r), int(c), 20, 30) for r, c in random.integers(0, 990, (12, 2))]
    one, other = (lattice.cut(tile_of(lattice), order) for order in (needs, needs[::-1]))
    assert set(one) == set(other)
    assert len(one) > 1


@pytest.mark.parametrize("count", [1, 5, MOST_PARTS, MOST_PARTS + 1, 300])
def test_parts_hold_all_that_is_needed_and_never_cost_more(count: int) -> None:
    random, lattice = np.random.default_rng(count), Lattice(SPEC)
    tile = tile_of(lattice)
    needs = [Window(int(r), int(c), 24, 24) for r, c in random.integers(0, 1000, (count, 2))]
    parts = lattice.cut(tile, needs)
    assert all(any(part.inner.contains(need) for part in parts) for need in needs)
    assert fed(parts) <= fed([tile])
    assert (parts == [tile]) == (count == 300)


def test_what_fills_the_tile_is_the_tile() -> None:
    lattice = Lattice(SPEC)
    tile = tile_of(lattice)
    assert lattice.cut(tile, [tile.inner]) == [tile]
    assert lattice.cut(tile, []) == [tile]


@pytest.mark.parametrize(
    "lattice",
    [
        Lattice(GeneratorSpec("x", tile=1024, stride=16, halo=84)),
        Lattice(SPEC, (0.5, 0.5)),
        Lattice(GeneratorSpec("x", tile=0, halo=84, exact=True)),
    ],
    ids=["inexact", "resampled", "whole areas"],
)
def test_other_tiles_are_left_whole(lattice: Lattice) -> None:
    tile = Lattice(SPEC).plain(Window(0, 0, 1024, 1024))
    assert lattice.cut(tile, [Window(500, 300, 64, 64)]) == [tile]
