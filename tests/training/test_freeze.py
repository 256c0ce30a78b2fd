"""Weights that stay as they are."""

from __future__ import annotations

import torch

from cimgen_qt.networks.patchgan import PatchGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.training.freeze import first_parts, freeze


def test_weights_are_frozen_by_the_beginning_of_their_names() -> None:
    module = ResnetGenerator(3, 3, 4, 2, 1)
    count = freeze(module, ["model.1.", "model.4."])
    frozen = {name for name, weight in module.named_parameters() if not weight.requires_grad}
    assert frozen == {"model.1.weight", "model.1.bias", "model.4.weight", "model.4.bias"}
    assert count == sum(weight.numel() for weight in module.parameters() if not weight.requires_grad)


def test_nothing_named_freezes_nothing() -> None:
    module = PatchGAN(3, 4)
    assert freeze(module, []) == 0 and all(weight.requires_grad for weight in module.parameters())


def test_the_first_parts_are_those_nearest_to_the_input() -> None:
    assert first_parts(PatchGAN(3, 4), 2) == ("model.0.", "model.2.")
    assert first_parts(torch.nn.Conv2d(1, 1, 1), 3) == ("",)
    assert first_parts(PatchGAN(3, 4), 0) == ()


def test_frozen_weights_do_not_learn_and_the_others_do() -> None:
    module = PatchGAN(3, 4)
    freeze(module, first_parts(module, 2))
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    module(torch.rand(1, 3, 32, 32)).square().mean().backward()
    optimizer.step()
    still = {name for name, weight in module.named_parameters() if torch.equal(weight, before[name])}
    assert {"model.0.weight", "model.0.bias", "model.2.weight", "model.2.bias"} <= still
    assert "model.5.weight" not in still and "model.11.weight" not in still
