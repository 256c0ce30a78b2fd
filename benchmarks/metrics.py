"""Figures of quality beside their peers: SSIM beside scikit-image, the Frechet distance beside a matrix root.

M1 and M2. Patches are random smooth pictures and features random rows with a falling spectrum: both costs depend on
shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocol import Case, Runner, Target
from cimgen_qt.evaluation.distances import frechet
from cimgen_qt.evaluation.structure import Window, ssim

SIDE = 64
FEATURES, QUICK_FEATURES = 2048, 256
APART = 1e-7
ALIKE = 1e-6

Floats = NDArray[np.float64]


def cases(quick: bool) -> list[Case]:
    features = QUICK_FEATURES if quick else FEATURES
    count = 64 if quick else 512
    return [
        _similarity(count, "uniform"),
        _similarity(count, "gaussian"),
        _distance(features, features // 4),
        _distance(features, features * 2),
    ]


def _similarity(count: int, window: Window) -> Case:
    rng = np.random.default_rng(1)
    one = _smooth(rng, count)
    other = np.clip(one + rng.normal(0, 12, one.shape), 0, 255).astype(np.uint8)

    def theirs() -> Floats:
        from skimage.metrics import structural_similarity

        options: dict[str, Any] = {"data_range": 255, "channel_axis": -1}
        if window == "gaussian":
            options |= {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        compare: Callable[..., float] = structural_similarity
        return np.array([compare(a, b, **options) for a, b in zip(one, other, strict=True)])

    reference = _reference(theirs, "skimage")
    return Case(
        f"M1 SSIM {window}, {count} patches of {SIDE}",
        (
            Runner("cimgen", lambda: ssim(one, other, window), lambda got: _off(got, reference, APART)),
            Runner("skimage", theirs, needs=("skimage",)),
        ),
        (f"must be {APART:g} apart at the most",),
        (Target(">= 10x skimage", "skimage", 10, "cimgen", at_least=True),),
    )


def _distance(features: int, patches: int) -> Case:
    rng = np.random.default_rng(2)
    spectrum = 1 / np.sqrt(1 + np.arange(features))
    one, other = (rng.standard_normal((patches, features)) * spectrum + shift for shift in (0.0, 0.01))

    def theirs() -> float:
        return _by_root(one, other)

    reference = _reference(theirs, "scipy")
    return Case(
        f"M2 Frechet, {patches} patches, {features} features",
        (
            Runner("cimgen", lambda: frechet(one, other), lambda got: _off(got, reference, ALIKE)),
            Runner("sqrtm, as clean-fid has it", theirs, needs=("scipy",)),
        ),
        (f"must be equal to {ALIKE:g} of the value",),
        (Target(">= 8x sqrtm", "sqrtm, as clean-fid has it", 8, "cimgen", at_least=True),),
    )


def _by_root(one: Floats, other: Floats) -> float:
    """The textbook formula: covariances, and the trace of the root of their product."""
    from scipy.linalg import sqrtm

    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = np.real(sqrtm(first @ second))
    means = ((one.mean(0) - other.mean(0)) ** 2).sum()
    return float(means + np.trace(first) + np.trace(second) - 2 * np.trace(root))


def _reference(work: Callable[[], Any], module: str) -> Any:
    """What the peer says, or nothing where it is not installed."""
    import importlib.util

    return work() if importlib.util.find_spec(module) else None


def _off(got: Any, reference: Any, limit: float) -> str:
    if reference is None:
        return ""
    apart = float(np.max(np.abs(np.asarray(got) - reference) / np.maximum(1.0, np.abs(reference))))
    return "" if apart <= limit else f"is {apart:.1e} off, {limit:g} is allowed"


def _smooth(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    coarse = rng.integers(0, 256, (count, SIDE // 8, SIDE // 8, 3))
    grown = coarse.repeat(8, 1).repeat(8, 2)
    return np.clip(grown + rng.normal(0, 8, grown.shape), 0, 255).astype(np.uint8)
