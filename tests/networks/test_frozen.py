"""What instance norm does to tiles, and that frozen statistics undo it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.frozen import freezable, freeze, thaw
from cimgen_qt.networks.initial import initialise
from cimgen_qt.networks.receptive import reach
from cimgen_qt.networks.to_onnx import export, require_same
from tests.networks.rules import count  # noqa: F401  (one thread)

NETS = [
    Architecture("resnet", 4, 3, 4, down=2, blocks=2),
    Architecture("resnet", 4, 3, 4, down=3, blocks=1),
    Architecture("local", 4, 3, 2, down=1, blocks=1, blocks_local=1),
    Architecture("unet", 4, 3, 2, down=5, norm="instance"),
]


def painter(architecture: Architecture) -> nn.Module:
    """Weights wide enough that the picture has contrast."""
    module = build(architecture).eval()
    random = torch.Generator().manual_seed(1)
    initialise(module, "cyclegan", random)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3.0)
    assert freezable(module) > 0
    return module.requires_grad_(False)


def ground(side: int) -> Tensor:
    """Four classes in blocks of 8 pixels."""
    classes = torch.randint(4, (side // 8, side // 8), generator=torch.Generator().manual_seed(2))
    classes = classes.repeat_interleave(8, 0).repeat_interleave(8, 1)
    return nn.functional.one_hot(classes, 4).permute(2, 0, 1)[None].float()


def levels(picture: Tensor) -> Tensor:
    return ((picture + 1) * 127.5).round()


def halves(module: nn.Module, architecture: Architecture, frozen: bool) -> tuple[Tensor, Tensor]:
    """The same ground out of two overlapping tiles, each with a full halo around it, in 8-bit levels."""
    halo = reach(build(architecture)).halo
    shift = -(-64 // architecture.stride) * architecture.stride
    outer = 2 * halo + 2 * shift
    whole = ground(-(-(outer + shift) // 8) * 8)
    if frozen:
        freeze(module, whole[..., :outer, :outer])
    first, second = module(whole[..., :outer, :outer]), module(whole[..., :outer, shift : shift + outer])
    inner = slice(halo, outer - halo)
    return (
        levels(first[..., inner, halo + shift : outer - halo]),
        levels(second[..., inner, halo : outer - halo - shift]),
    )


@pytest.mark.parametrize("architecture", NETS, ids=lambda a: f"{a.kind}-{a.down}")
def test_overlapping_tiles_agree_once_statistics_are_frozen(architecture: Architecture) -> None:
    first, second = halves(painter(architecture), architecture, frozen=True)
    assert first.std() > 5
    assert (first - second).abs().max() == 0


@pytest.mark.parametrize("architecture", NETS, ids=lambda a: f"{a.kind}-{a.down}")
def test_overlapping_tiles_differ_while_they_are_not(architecture: Architecture) -> None:
    first, second = halves(painter(architecture), architecture, frozen=False)
    assert (first - second).abs().max() >= 1


def test_freezing_does_not_change_the_picture_measured() -> None:
    for architecture in NETS:
        module = painter(architecture)
        x = ground(128)
        before = module(x)
        torch.testing.assert_close(freeze(module, x), before, atol=2e-4, rtol=0)
        torch.testing.assert_close(module(x), before, atol=2e-4, rtol=0)


def test_freezable_networks_paint_as_before_and_thawed_ones_too() -> None:
    architecture = NETS[0]
    plain = build(architecture).eval()
    module = build(architecture).eval()
    module.load_state_dict(plain.state_dict())
    freezable(module)
    assert set(module.state_dict()) == set(plain.state_dict())
    x = ground(64)
    with torch.no_grad():
        assert torch.equal(module(x), plain(x))
        freeze(module, ground(128))
        assert not torch.equal(module(x), plain(x))
        thaw(module)
        assert torch.equal(module(x), plain(x))


def test_editing_a_corner_changes_pixels_everywhere_unless_frozen() -> None:
    """Why outputs of these networks have to be blended, or frozen."""
    module = painter(NETS[0])
    before = ground(256)
    after = before.clone()
    after[..., :32, :32] = 0
    after[:, 3, :32, :32] = 1
    far = (..., slice(160, None), slice(160, None))
    assert (module(before)[far] != module(after)[far]).float().mean() > 0.99
    freeze(module, before)
    assert torch.equal(levels(module(before)[far]), levels(module(after)[far]))


def test_nothing_is_left_of_a_flat_map_after_the_first_norm_unless_frozen() -> None:
    """It takes away the mean, and with it which class covers the tile."""
    module = painter(NETS[0])
    stem = module.get_submodule("model")[:3]
    flat = torch.zeros(1, 4, 64, 64)
    flat[:, 1] = 1
    assert stem(flat).abs().max() < 1e-3
    freeze(module, ground(128))
    assert stem(flat).abs().max() > 0.5


def test_features_that_are_flat_where_they_are_measured_are_not_blown_up() -> None:
    module = nn.Sequential(nn.InstanceNorm2d(2))
    freezable(module)
    picture = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(3))
    picture[:, 1] *= 1e-9
    freeze(module, picture)
    other = torch.ones(1, 2, 4, 4)
    assert module(other)[:, 1].max() < 50


def test_frozen_networks_can_be_exported() -> None:
    module = painter(NETS[0])
    freeze(module, ground(128))
    x = ground(64)
    model = export(module, {"map": x}, ["photo"])
    assert require_same(module, model, {"map": ground(96)}, 1e-4) >= 0
    assert b"InstanceNormalization" not in model
