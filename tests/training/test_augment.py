"""What discriminators are shown, and bent samples."""

from __future__ import annotations

import pytest
import torch

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.training.augment import diff_augment, diff_augment_together
from cimgen_qt.training.batch import class_edges
from cimgen_qt.training.warp import tps_grid, warp_batch
from tests.training.stepping import CLASSES, batch_of


def pictures(n: int = 4, side: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_the_seed_of_torch_decides(policy: str) -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(diff_augment(pictures(), policy))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0], pictures())


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color,translation,cutout"])
def test_the_gradient_is_the_true_one(policy: str) -> None:
    def changed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return diff_augment(x, policy)

    assert torch.autograd.gradcheck(changed, (pictures(2, 6).double().requires_grad_(True),))


def test_all_get_the_same_draw() -> None:
    one, other = diff_augment_together(pictures(), pictures(), policy="color,translation,cutout")
    assert torch.equal(one, other)


def test_colours_stay_shades_of_grey_where_they_were() -> None:
    grey = pictures()[:, :1].expand(-1, 3, -1, -1)
    found = diff_augment(grey, "color")
    assert (found - found[:, :1]).abs().max() < 1e-6


def test_translation_moves_by_an_eighth_at_most_and_brings_zeros_in() -> None:
    rows, cols = torch.meshgrid(torch.arange(1.0, 33), torch.arange(1.0, 33), indexing="ij")
    found = diff_augment((rows * 100 + cols).expand(64, 1, 32, 32), "translation")[:, 0]
    seen = set()
    for picture in found:
        inside = picture != 0
        (move,) = (picture - (rows * 100 + cols))[inside].unique().tolist()
        down = round(move / 100)
        right = round(move) - 100 * down
        assert int(inside.sum()) == (32 - abs(down)) * (32 - abs(right))
        seen.add((down, right))
    assert max(abs(value) for move in seen for value in move) == 4
    assert len(seen) > 20


def test_cutout_takes_no_more_than_half_of_each_side() -> None:
    found = diff_augment(torch.ones(64, 3, 32, 32), "cutout")
    gone = (found[:, 0] == 0).flatten(1).sum(1)
    assert int(gone.max()) == 256 and int(gone.min()) >= 8 * 8
    assert set(found.unique().tolist()) == {0.0, 1.0}


def test_nothing_asked_for_is_nothing_done() -> None:
    assert torch.equal(diff_augment(pictures(), ""), pictures())


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(CimgenError, match="'blur'") as caught:
        diff_augment(pictures(), "color,blur")
    assert "cutout" in caught.value.hint


def test_a_spline_without_displacement_leaves_every_pixel() -> None:
    grid = tps_grid(torch.zeros(1, 9, 2), 5, 7)
    assert grid[0, 0, 0].tolist() == pytest.approx([-1, -1], abs=1e-6)
    assert grid[0, 2, 6].tolist() == pytest.approx([1, 0], abs=1e-6)


def test_a_spline_goes_through_its_control_points() -> None:
    moved = (torch.rand(2, 9, 2, generator=torch.Generator().manual_seed(4)) - 0.5) * 0.4
    grid = tps_grid(moved, 5, 5)
    places = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 3)] * 2, indexing="xy"), -1).view(9, 2)
    assert torch.allclose(grid[:, ::2, ::2].reshape(2, 9, 2), places + moved, atol=1e-6)


def test_bending_moves_photo_classes_and_hole_alike() -> None:
    batch = batch_of(5, n=3, side=64)
    torch.manual_seed(0)
    bent = warp_batch(batch, 1.0)
    assert not torch.equal(bent.labels, batch.labels)
    assert set(bent.labels.unique().tolist()) <= set(batch.labels.unique().tolist())
    assert torch.equal(bent.onehot.argmax(1)[bent.labels >= 0], bent.labels[bent.labels >= 0])
    assert bent.onehot.shape[1] == CLASSES and torch.equal(bent.edges, class_edges(bent.labels))
    assert set(bent.mask.unique().tolist()) == {0.0, 1.0}
    middles = {k: batch.image.movedim(1, -1)[batch.labels == k].mean(0) for k in range(CLASSES)}
    for k, middle in middles.items():
        inside = (bent.labels == k) & (bent.edges[:, 0] == 0)
        assert (bent.image.movedim(1, -1)[inside].mean(0) - middle).abs().max() < 0.05


def test_a_share_of_samples_is_bent() -> None:
    batch = batch_of(5, n=64)
    torch.manual_seed(0)
    bent = warp_batch(batch, 0.5)
    changed = (bent.image - batch.image).abs().flatten(1).amax(1) > 0.05
    assert 16 < int(changed.sum()) < 48
    assert warp_batch(batch, 0.0) is batch
