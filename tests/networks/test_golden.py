"""Outputs in float64 that were written down from the reference implementations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.patchgan import MultiscaleDiscriminator, PatchGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.unet import UNetGenerator
from tests.networks.rules import count, filled, wave


def require(out: Tensor, shape: tuple[int, ...], mean: float, std: float, first: tuple[float, float, float]) -> None:
    assert out.shape == shape
    assert out.mean().item() == pytest.approx(mean, abs=1e-9)
    assert out.std().item() == pytest.approx(std, abs=1e-9)
    assert out.flatten()[:3].tolist() == pytest.approx(list(first), abs=1e-8)


@pytest.mark.parametrize("bias", [None, True], ids=["cyclegan", "pix2pixhd"])
def test_resnet_paints_what_both_references_paint(bias: bool | None) -> None:
    module = filled(ResnetGenerator(3, 3, 4, 2, 1, bias=bias))
    assert count(module) == 8739
    require(module(wave(1, 3, 32, 32)), (1, 3, 32, 32), 0.0141162266, 0.3598498795, (0.04817098, 0.0307402, 0.02063691))


def test_local_enhancer_paints_what_the_reference_paints() -> None:
    out = filled(LocalEnhancer(3, 3, 2, n_down=2, n_blocks=1, n_local=1, n_blocks_local=1))(wave(1, 3, 32, 32))
    require(out, (1, 3, 32, 32), 0.0007621214, 0.1740274071, (-0.06547621, -0.06101924, -0.07850847))


def test_unet_paints_what_the_reference_paints() -> None:
    out = filled(UNetGenerator(3, 3, 5, 4, norm="instance"))(wave(1, 3, 64, 64))
    require(out, (1, 3, 64, 64), 0.0316937660, 0.0939923451, (0.00176474, -0.00645588, 0.00570104))


def test_patchgan_judges_as_the_reference_judges() -> None:
    out = filled(PatchGAN(3, 4))(wave(1, 3, 64, 64))
    require(out, (1, 1, 6, 6), 0.0589375850, 3.3010318238, (1.95652438, 2.30550227, 2.36581567))


@pytest.mark.parametrize("features", [True, False])
def test_multiscale_judges_full_resolution_first(features: bool) -> None:
    judged = filled(MultiscaleDiscriminator(6, 4, features=features))(wave(1, 6, 64, 64))
    assert [len(scale) for scale in judged] == ([5, 5] if features else [1, 1])
    require(judged[0][-1], (1, 1, 11, 11), -0.0840272419, 2.8804974740, (-0.29077248, -0.73880526, -1.32230961))
    require(judged[1][-1], (1, 1, 7, 7), 0.0321687722, 2.7982127777, (1.04879559, 2.04349694, 2.90073772))


def test_pool_of_the_pyramid_leaves_the_rim_out_of_the_mean() -> None:
    pools: list[nn.Module] = [MultiscaleDiscriminator(1, 1).downsample, LocalEnhancer(1, 1, 1, 1, 0).downsample]
    for pool in pools:
        out = pool(torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4))
        assert out.flatten().tolist() == [2.5, 4.0, 8.5, 10.0]
