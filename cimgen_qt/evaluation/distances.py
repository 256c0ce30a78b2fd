"""How far two sets of features are apart: Frechet, kernel and sliced Wasserstein distances. All in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
"""(n, d): one row a patch."""
SUBSETS, SUBSET = 100, 1000
DIRECTIONS = 256


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its standard deviation over subsets."""

    mean: float
    deviation: float


def frechet(one: Features, other: Features) -> float:
    """Squared Frechet distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017).

    The trace of the root of the product of covariances is the nuclear norm of A B', where A and B are the centred sets:
    exact also where there are fewer patches than features. Raises ValueError for sets of one.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError("a covariance takes two patches at least")
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (one, other))
    means = float(((one.mean(0) - other.mean(0)) ** 2).sum())
    spread = float((a * a).sum() + (b * b).sum())
    if min(len(a), len(b)) <= a.shape[1]:
        shared = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    else:
        root = _root(a.T @ a)
        shared = float(np.sqrt(np.clip(np.linalg.eigvalsh(root.T @ (b.T @ b) @ root), 0, None)).sum())
    return means + spread - 2 * shared


def _root(covariance: Features) -> Features:
    """R with R R' the covariance: triangular, or by eigenvalues where some feature never changes."""
    found: Features
    try:
        found = np.linalg.cholesky(covariance).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        found = vectors * np.sqrt(np.clip(values, 0, None))
    return found


def kernel(one: Features, other: Features, seed: int = 0, subsets: int = SUBSETS) -> Estimate:
    """Kernel distance (KID, Binkowski et al. 2018): unbiased, cubic, over random subsets. May be below 0."""
    rng = np.random.default_rng(seed)
    size = min(SUBSET, len(one), len(other))
    if size < 2:
        raise ValueError("a kernel distance takes two patches at least")
    found = []
    for _ in range(subsets):
        x = one[rng.choice(len(one), size, replace=False)]
        y = other[rng.choice(len(other), size, replace=False)]
        found.append(_mmd(x, y))
    return Estimate(float(np.mean(found)), float(np.std(found)))


def _mmd(x: Features, y: Features) -> float:
    n = len(x)
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    own = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
    return float(own - 2 * xy.mean())


def sliced(one: Features, other: Features, seed: int = 0) -> float:
    """Squared sliced 2-Wasserstein distance: the mean over random directions of that of the projections.

    Sets of different sizes are compared at the quantiles of the smaller one. Few patches suffice.
    """
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = np.sort(one @ directions, axis=0), np.sort(other @ directions, axis=0)
    count = min(len(a), len(b))
    steps = (np.arange(count) + 0.5) / count
    a, b = (_between(x, steps * len(x) - 0.5) if len(x) != count else x for x in (a, b))
    return float(((a - b) ** 2).mean() * one.shape[1])


def _between(rows: Features, places: NDArray[np.float64]) -> Features:
    """Rows at places between them, linearly."""
    places = np.clip(places, 0, len(rows) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (places - below)[:, None]
    found: Features = rows[below] * (1 - share) + rows[above] * share
    return found
