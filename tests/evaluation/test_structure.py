"""Structural similarity: equal to scikit-image, and ordered as an eye would order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cimgen_qt.evaluation.structure import Window, ssim

OPTIONS: dict[Window, dict[str, Any]] = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}


def real_patches(shared_data: Path) -> NDArray[np.uint8]:
    """Sixteen patches of one real photo."""
    from PIL import Image

    photo = np.array(Image.open(sorted((shared_data / "dubai" / "images").glob("*.jpg"))[0]).convert("RGB"))
    return np.stack([photo[r : r + 64, c : c + 64] for r in range(0, 256, 64) for c in range(0, 256, 64)])


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_agrees_with_scikit_image(window: Window) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(3)
    one = rng.integers(0, 256, (5, 48, 64, 3), dtype=np.uint8)
    other = np.clip(one + rng.normal(0, 30, one.shape), 0, 255).astype(np.uint8)
    theirs = [
        metrics.structural_similarity(a, b, data_range=255, channel_axis=-1, **OPTIONS[window])
        for a, b in zip(one, other, strict=True)
    ]
    assert np.abs(ssim(one, other, window) - theirs).max() < 1e-7


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_a_real_patch_is_wholly_like_itself(shared_data: Path, window: Window) -> None:
    patches = real_patches(shared_data)
    assert ssim(patches, patches, window) == pytest.approx(1.0)


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_blur_is_less_alike_and_another_place_least(shared_data: Path, window: Window) -> None:
    from scipy.ndimage import gaussian_filter

    patches = real_patches(shared_data)
    little, much = (gaussian_filter(patches, (0, sigma, sigma, 0)) for sigma in (0.7, 3.0))
    near, far, strange = (ssim(patches, p, window).mean() for p in (little, much, np.roll(patches, 1, axis=0)))
    assert 1 > near > far > strange


def test_no_patches_have_no_similarities() -> None:
    empty = np.empty((0, 64, 64, 3), np.uint8)
    assert ssim(empty, empty).shape == (0,)
