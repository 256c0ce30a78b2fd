"""Photos much finer than a model: the same map as by hand, no seams, and never more than some rows at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from cimgen_qt.core.grid import Window
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.segmentation import finer
from cimgen_qt.segmentation.finer import Finer, sweep_over
from cimgen_qt.segmentation.model import SegmentationModel
from cimgen_qt.segmentation.sweep import Sweep
from tests.segmentation.networks import logits, write_model
from tests.segmentation.test_segment import photo, segmented, write

FACTOR = 8


def linear(values: NDArray, factor: int) -> NDArray:
    """(rows, cols, n) grown by a whole factor, linear between the middles of pixels, along both axes."""
    for axis in (0, 1):
        at = np.clip((np.arange(values.shape[axis] * factor) + 0.5) / factor - 0.5, 0, values.shape[axis] - 1)
        below = np.minimum(at.astype(int), values.shape[axis] - 2)
        share = (at - below).reshape([-1 if n == axis else 1 for n in range(3)])
        values = values.take(below, axis) * (1 - share) + values.take(below + 1, axis) * share
    return values


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "m", "softmax", more=f"metres_per_pixel = {0.5 * FACTOR}")


def softmax(scores: NDArray) -> NDArray:
    powers = np.exp(scores - scores.max(2, keepdims=True))
    return powers / powers.sum(2, keepdims=True)


@pytest.mark.parametrize("rows", [1 << 24, 3000])
def test_the_map_is_that_of_averages_grown_smoothly(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(finer, "AT_ONCE", rows)
    coarse = photo(70, 90)
    noisy = np.repeat(np.repeat(coarse, FACTOR, 0), FACTOR, 1).astype(int)
    noisy += np.random.default_rng(1).integers(-9, 10, noisy.shape)
    fine = np.clip(noisy, 0, 255).astype(np.uint8)
    means = fine.reshape(70, FACTOR, 90, FACTOR, 3).astype(np.float64).mean((1, 3))
    shares = linear(softmax(logits(means)), FACTOR)
    facts, found = segmented(write(tmp_path / "i.tif", fine), model, tmp_path)
    best = np.sort(shares, 2)
    clear = best[..., 2] - best[..., 1] > 0.01
    assert clear.mean() > 0.95
    assert np.array_equal(found[clear], (shares.argmax(2) + 1)[clear])
    assert facts["tiles"] == -(-70 // 32) * -(-90 // 32)


def test_pieces_cover_the_photo_once_and_no_read_is_large(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finer, "AT_ONCE", 20_000)
    fine = np.repeat(np.repeat(photo(61, 83, seed=3), FACTOR, 0), FACTOR, 1)[:485, :660]
    seen: list[Window] = []
    with open_raster(write(tmp_path / "i.tif", fine)) as reader:

        class Counting:
            info = reader.info

            def read(self, window: Window) -> NDArray:
                seen.append(window)
                return reader.read(window)

            def read_valid(self, window: Window) -> NDArray:
                return reader.read_valid(window)

        sweep = sweep_over(SegmentationModel(model_card(str(model))), Counting())
        assert isinstance(sweep, Finer)
        times = np.zeros((485, 660), int)
        for _, pieces in sweep:
            for piece in pieces:
                times[piece.window.slices()] += 1
                assert piece.labels.shape == piece.window.shape
    assert (times == 1).all()
    assert max(w.height * w.width for w in seen if w.height < 485) <= 2 * 20_000


def test_unknown_ground_stays_unlabelled(model: Path, tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(photo(40, 40), FACTOR, 0), FACTOR, 1)
    alpha = np.full((320, 320, 1), 255, np.uint8)
    alpha[100:203, 50:151] = 0
    image = write(tmp_path / "i.tif", np.concatenate([fine, alpha], 2), photometric="rgb", alpha="yes")
    _, found = segmented(image, model, tmp_path)
    assert (found[100:203, 50:151] == 0).all()
    assert (found[alpha[..., 0] > 0] > 0).mean() > 0.97


def test_a_photo_of_about_the_models_resolution_is_swept_as_it_is(model: Path, tmp_path: Path) -> None:
    image = write(tmp_path / "i.tif", photo(60, 60), transform=rasterio.Affine(3.0, 0, 5e5, 0, -3.0, 3e6))
    with open_raster(image) as reader:
        assert isinstance(sweep_over(SegmentationModel(model_card(str(model))), reader), Sweep)
