"""First weights of both families."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cimgen_qt.networks.initial import Family, initialise
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.unet import UNetGenerator


@pytest.mark.parametrize("family", ["pix2pixhd", "cyclegan"])
def test_convolutions_begin_at_two_hundredths(family: Family) -> None:
    module = ResnetGenerator(3, 3, 16)
    initialise(module, family, torch.Generator().manual_seed(1))
    weights = torch.cat([p.flatten() for name, p in module.named_parameters() if name.endswith("weight")])
    assert weights.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=5e-3)


def test_cyclegan_sets_biases_to_zero_and_pix2pixhd_leaves_them() -> None:
    module = ResnetGenerator(3, 3, 4)
    before = {name: p.clone() for name, p in module.named_parameters() if name.endswith("bias")}
    initialise(module, "pix2pixhd")
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters() if name in before)
    initialise(module, "cyclegan")
    assert not any(p.any() for name, p in module.named_parameters() if name in before)


def test_batch_norms_begin_near_one() -> None:
    module = UNetGenerator(3, 3, 5, 16)
    initialise(module, "cyclegan", torch.Generator().manual_seed(2))
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    gains = torch.cat([part.weight.detach() for part in norms])
    assert gains.mean().item() == pytest.approx(1.0, abs=3e-3)
    assert gains.std().item() == pytest.approx(0.02, rel=0.15)
    assert not any(part.bias.any() for part in norms)


def test_same_seed_gives_the_same_weights() -> None:
    first, second = ResnetGenerator(3, 3, 2), ResnetGenerator(3, 3, 2)
    for module in (first, second):
        initialise(module, "cyclegan", torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
