"""Distances of sets of features: equal to the textbook, and honest about small samples."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cimgen_qt.evaluation.distances import frechet, kernel, sliced

Floats = NDArray[np.float64]


def rows(count: int, width: int, seed: int, shift: float = 0.0) -> Floats:
    spectrum = 1 / np.sqrt(1 + np.arange(width))
    return np.random.default_rng(seed).standard_normal((count, width)) * spectrum + shift


def by_root(one: Floats, other: Floats) -> float:
    """Heusel et al. 2017, as written."""
    from scipy.linalg import sqrtm

    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    means = ((one.mean(0) - other.mean(0)) ** 2).sum()
    return float(means + np.trace(first + second - 2 * np.real(sqrtm(first @ second))))


@pytest.mark.parametrize("count", [400, 65], ids=["many patches", "hardly more than features"])
def test_frechet_is_what_the_matrix_root_gives(count: int) -> None:
    one, other = rows(count, 64, 1), rows(count + 30, 64, 2, 0.1)
    assert frechet(one, other) == pytest.approx(by_root(one, other), rel=1e-6)


def test_frechet_of_fewer_patches_than_features_is_what_all_of_them_give() -> None:
    """Columns of zeros change nothing but which of the two ways is taken."""
    one, other = rows(100, 40, 3), rows(90, 40, 4, 0.2)
    wide = [np.pad(x, ((0, 0), (0, 200))) for x in (one, other)]
    assert frechet(*wide) == pytest.approx(frechet(one, other), rel=1e-9)


def test_frechet_bears_features_that_never_change() -> None:
    """Dead features have no triangular root, and add nothing."""
    one, other = rows(300, 40, 3), rows(280, 40, 4, 0.2)
    dead = [np.pad(x, ((0, 0), (0, 20))) for x in (one, other)]
    assert frechet(*dead) == pytest.approx(frechet(one, other), rel=1e-6)


def test_frechet_of_a_set_and_itself_is_nothing() -> None:
    one = rows(50, 80, 5)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_frechet_halves_with_twice_the_patches_where_nothing_differs() -> None:
    """The bias of small samples: two draws of one distribution are apart, by one over the number of patches."""
    found = [frechet(rows(count, 64, 6), rows(count, 64, 7)) for count in (1000, 2000, 4000)]
    assert found[0] / found[1] == pytest.approx(2, rel=0.15)
    assert found[1] / found[2] == pytest.approx(2, rel=0.15)


def test_frechet_of_one_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="two patches"):
        frechet(rows(1, 8, 1), rows(9, 8, 1))


def test_kernel_is_the_unbiased_cubic_estimate() -> None:
    """All patches in every subset: the formula of Binkowski et al. 2018, term by term."""
    one, other = rows(12, 5, 7), rows(12, 5, 8, 0.5)
    own = sum((x[i] @ x[j] / 5 + 1) ** 3 for x in (one, other) for i in range(12) for j in range(12) if i != j) / (
        12 * 11
    )
    cross = sum((a @ b / 5 + 1) ** 3 for a in one for b in other) / 144
    found = kernel(one, other)
    assert found.mean == pytest.approx(own - 2 * cross)
    assert found.deviation == pytest.approx(0, abs=1e-12)


def test_kernel_of_pictures_and_themselves_is_far_below_nothing() -> None:
    """The estimate takes its sets for independent: the least value is not the best where they are pairs."""
    one = rows(60, 5, 7)
    assert kernel(one, one).mean < 3 * min(0, kernel(one, rows(60, 5, 8)).mean)


def test_kernel_and_sliced_say_the_same_for_the_same_seed() -> None:
    one, other = rows(30, 8, 9), rows(1100, 8, 10)
    assert kernel(one, other, 4) == kernel(one, other, 4) != kernel(one, other, 5)
    assert sliced(one, other, 4) == sliced(one, other, 4) != sliced(one, other, 5)


def test_kernel_may_be_below_nothing_where_nothing_differs() -> None:
    assert min(kernel(rows(40, 16, 2 * s), rows(40, 16, 2 * s + 1)).mean for s in range(8)) < 0


def test_sliced_of_a_shift_is_its_square() -> None:
    """A shift moves every projection alike, so that the mean over directions is |shift|^2 / d, times d."""
    one = rows(200, 12, 11)
    assert sliced(one, one + 0.5) == pytest.approx(12 * 0.25, rel=0.15)


@pytest.mark.parametrize(
    "measure", [frechet, sliced, lambda a, b: kernel(a, b).mean], ids=["frechet", "sliced", "kernel"]
)
def test_farther_sets_are_farther(measure) -> None:  # type: ignore[no-untyped-def]
    one = rows(150, 16, 12)
    found = [measure(one, rows(150, 16, 13, shift)) for shift in (0.0, 0.4, 0.8)]
    assert found == sorted(found)
