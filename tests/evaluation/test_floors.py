"""The floor of a distance is what real photos are apart among themselves."""

import numpy as np
import pytest

from cimgen_qt.evaluation.distances import sliced
from cimgen_qt.evaluation.floors import split_half


def parts(count: int, spread: float) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Tiles of 30 patches that differ from each other by `spread`."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal((30, 6)) + spread * rng.standard_normal(6) for _ in range(count)]


def test_tiles_that_differ_are_farther_apart_than_patches_are() -> None:
    names = [str(n) for n in range(8)]
    alike, unlike = (split_half(parts(8, spread), names, sliced) for spread in (0.0, 2.0))
    assert alike is not None
    assert unlike is not None
    assert unlike.mean > 4 * alike.mean > 0


def test_edits_of_one_tile_stay_on_one_side() -> None:
    """Two tiles, each seen in four edits: however they are halved, it is the one against the other."""
    names = ["a"] * 4 + ["b"] * 4
    there = parts(8, 1.0)
    found = split_half(there, names, sliced)
    assert found is not None
    whole = sliced(np.concatenate(there[:4]), np.concatenate(there[4:]))
    assert found.mean == pytest.approx(whole)
    assert found.deviation == pytest.approx(0, abs=1e-9)


def test_one_tile_has_no_floor() -> None:
    assert split_half(parts(3, 1.0), ["a"] * 3, sliced) is None


def test_the_same_seed_gives_the_same_floor() -> None:
    names = [str(n) for n in range(6)]
    assert split_half(parts(6, 1.0), names, sliced, 3) == split_half(parts(6, 1.0), names, sliced, 3)
