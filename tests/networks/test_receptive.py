"""How far networks look, by arithmetic and by following gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.patchgan import PatchGAN, PixelGAN
from cimgen_qt.networks.receptive import Reach, reach
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.unet import UNetGenerator
from tests.networks.rules import count  # noqa: F401  (one thread)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_patchgan_judges_patches_of_the_known_size(layers: int, field: int) -> None:
    assert reach(PatchGAN(3, 1, layers)).field == field


def test_pixelgan_sees_one_pixel() -> None:
    assert reach(PixelGAN(3, 1)) == Reach(field=1, before=0, after=0, stride=1)


def test_halo_is_in_whole_strides() -> None:
    assert reach(ResnetGenerator(3, 3, 1, 4)).halo == 336
    assert reach(ResnetGenerator(3, 3, 1)).halo == 84


def test_unknown_layers_are_refused_rather_than_guessed() -> None:
    with pytest.raises(TypeError, match="Linear"):
        reach(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2)))


NETS: list[tuple[nn.Module, int]] = [
    (ResnetGenerator(1, 1, 1, 2, 2), 128),
    (ResnetGenerator(1, 1, 1, 3, 1), 192),
    (LocalEnhancer(1, 1, 1, n_down=1, n_blocks=1, n_local=2, n_blocks_local=1), 256),
    (UNetGenerator(1, 1, 5, 1), 320),
    (PatchGAN(1, 1, 3), 160),
]


@pytest.mark.parametrize(("module", "side"), NETS, ids=lambda value: type(value).__name__)
def test_reach_is_where_gradients_arrive(module: nn.Module, side: int) -> None:
    module = positive(module)
    found = reach(module)
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    out = module(x)
    scale = found.stride if out.shape[-1] < side // 2 else 1
    middle = side // scale // 2 // found.stride * found.stride if scale == 1 else side // scale // 2
    before, after, field = 0, 0, 0
    for place in range(middle, middle + (found.stride if scale == 1 else 1)):
        (gradient,) = torch.autograd.grad(out[0, 0, middle, place], x, retain_graph=True)
        columns = gradient[0, 0].abs().sum(0).nonzero().flatten()
        first, last = int(columns[0]), int(columns[-1])
        assert 0 < first <= last < side - 1, "the rim is too near to tell"
        before, after = max(before, place * scale - first), max(after, last - place * scale)
        field = max(field, last - first + 1)
    assert (before, after, field) == (found.before, found.after, found.field)


def positive(module: nn.Module) -> nn.Module:
    """Nothing can cancel: all weights alike, no normalisation, no rectifier."""
    module = module.double()
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d | nn.ReLU | nn.LeakyReLU | nn.Tanh):
            owner, _, last = name.rpartition(".")
            module.get_submodule(owner)._modules[last] = nn.Identity()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.1)
    return module
