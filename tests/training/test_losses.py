"""Losses against values of the reference code (algorithms, golden vectors) and against what they are for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.patchgan import MultiscaleDiscriminator
from cimgen_qt.training.batch import class_edges
from cimgen_qt.training.contrast import PatchHeads, nce
from cimgen_qt.training.losses import (
    feature_matching,
    hinge_discriminator,
    hinge_generator,
    lsgan,
    lsgan_scales,
)
from cimgen_qt.training.perceptual import PerceptualLoss
from tests.networks.rules import filled, wave


@pytest.fixture(scope="module")
def judge() -> MultiscaleDiscriminator:
    return filled(MultiscaleDiscriminator(6, 4, 3, 2)).requires_grad_(False)


def test_feature_matching_is_that_of_the_reference(judge: MultiscaleDiscriminator) -> None:
    x = wave(1, 6, 64, 64)
    assert float(10 * feature_matching(judge(x), judge(-x))) == pytest.approx(25.3592020239, abs=1e-9)


def test_least_squares_are_summed_over_scales_as_in_the_reference(judge: MultiscaleDiscriminator) -> None:
    assert float(lsgan_scales(judge(wave(1, 6, 64, 64)), True)) == pytest.approx(18.0107045390, abs=1e-9)


def test_edges_lie_on_both_sides_of_every_change() -> None:
    labels = torch.tensor([[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 2], [3, 3, 3, 2]]])
    wanted = [[0, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1]]
    assert class_edges(labels)[0, 0].tolist() == wanted


def test_least_squares_know_real_from_made() -> None:
    said = torch.tensor([1.0, 0.0, 0.5])
    assert float(lsgan(said, True)) == pytest.approx((0 + 1 + 0.25) / 3)
    assert float(lsgan(said, False)) == pytest.approx((1 + 0 + 0.25) / 3)


def test_no_gradient_of_feature_matching_reaches_the_real_features() -> None:
    made, real = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    feature_matching([[made, made]], [[real, real]]).backward()
    assert made.grad is not None and real.grad is None


def test_low_precision_is_summed_in_full() -> None:
    said = torch.full((1, 1, 64, 64), 1.0 / 3, dtype=torch.bfloat16)
    found = lsgan(said, False)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(said[0, 0, 0, 0]) ** 2, rel=1e-6)


def test_hinges_are_flat_where_the_judge_is_sure() -> None:
    sure, unsure = torch.tensor([2.0]), torch.tensor([0.0])
    assert float(hinge_discriminator(sure, -sure)) == 0
    assert float(hinge_discriminator(unsure, unsure)) == 1
    assert float(hinge_generator(sure)) == -2


def test_hinges_can_be_weighted_by_what_was_made() -> None:
    fake, weight = torch.tensor([[[[3.0, -1.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert float(hinge_generator(fake, weight)) == pytest.approx(-3)
    assert float(hinge_discriminator(fake, fake, weight)) == pytest.approx((0 + 4) / 2)


def test_the_perceptual_loss_is_the_weighted_distance_after_five_stages(tmp_path: Path) -> None:
    """Written out with a VGG19 of other making, numbered as torchvision numbers it."""
    torch.manual_seed(0)
    plan = [64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0]
    layers, channels = [], 3
    for width in plan:
        layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.ReLU(False)] if width else [nn.MaxPool2d(2, 2)]
        channels = width or channels
    features = nn.Sequential(*layers)
    table = {f"features.{name}": value for name, value in features.state_dict().items()}
    torch.save(table | {"classifier.0.bias": torch.zeros(3)}, tmp_path / "vgg19.pth")
    one, other = torch.rand(2, 1, 3, 32, 32) * 2 - 1
    stages = {2: 1 / 32, 7: 1 / 16, 12: 1 / 8, 21: 1 / 4, 30: 1.0}
    with torch.no_grad():
        wanted = sum(w * functional.l1_loss(features[:k](one), features[:k](other)) for k, w in stages.items())
        plain = PerceptualLoss(tmp_path / "vgg19.pth")(one, other)
        shifted = PerceptualLoss(tmp_path / "vgg19.pth", normalise=True)(one, other)
    assert float(plain) == pytest.approx(float(wanted), rel=1e-6)
    assert float(shifted) != pytest.approx(float(wanted), rel=1e-2)


def test_the_perceptual_loss_teaches_what_was_made_alone() -> None:
    loss = PerceptualLoss(None)
    made, real = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    loss(made, real).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0 and real.grad is None
    assert not any(weight.requires_grad for weight in loss.parameters())


def test_a_file_that_holds_no_vgg19_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"features\.0\.weight") as caught:
        PerceptualLoss(tmp_path / "other.pth")
    assert "vgg19" in caught.value.hint


def test_the_contrastive_loss_is_the_chance_to_find_the_own_key() -> None:
    keys = torch.eye(4)[None]
    assert float(nce(keys, keys, 1.0)) == pytest.approx(math.log(math.e + 3 + math.exp(-10)) - 1, rel=1e-6)
    alike = torch.ones(1, 4, 1)
    assert float(nce(alike, alike, 1.0)) == pytest.approx(math.log(4 * math.e + math.exp(-10)) - 1, rel=1e-3)


def test_patches_are_described_by_vectors_of_length_one_at_the_places_asked_for() -> None:
    torch.manual_seed(0)
    heads = PatchHeads([5], 8)
    features = torch.randn(2, 5, 3, 4)
    whole = heads(0, features, torch.arange(12))
    assert whole.norm(dim=2).sub(1).abs().max() < 1e-3
    assert torch.allclose(heads(0, features, torch.tensor([7])), whole[:, 7:8])
    assert torch.allclose(heads(0, features[:, :, 1:2, 3:4], torch.tensor([0])), whole[:, 7:8])
