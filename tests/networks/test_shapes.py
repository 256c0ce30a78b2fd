"""Sizes, names of weights and biases, as the published checkpoints have them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from cimgen_qt.networks.encoder import FeatureEncoder
from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.patchgan import MultiscaleDiscriminator, PatchGAN, PixelGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.unet import UNetGenerator
from tests.networks.rules import count, keys

COUNTS: list[tuple[Callable[[], nn.Module], int]] = [
    (lambda: ResnetGenerator(36, 3, 64, 4), 182_546_755),
    (lambda: ResnetGenerator(35, 3, 64, 4), 182_543_619),
    (lambda: ResnetGenerator(8, 3, 64, 4), 182_458_947),
    (lambda: ResnetGenerator(6, 3, 64, 4), 182_452_675),
    (lambda: ResnetGenerator(4, 3, 64, 4), 182_446_403),
    (lambda: ResnetGenerator(3, 3, 64, 4), 182_443_267),
    (lambda: ResnetGenerator(2, 3, 64, 4), 182_440_131),
    (lambda: ResnetGenerator(36, 3, 64, 3), 45_696_835),
    (lambda: LocalEnhancer(36), 182_857_059),
    (lambda: LocalEnhancer(36).model, 182_537_344),
    (lambda: LocalEnhancer(36).get_submodule("model1_1"), 74_976),
    (lambda: LocalEnhancer(36).get_submodule("model1_2"), 244_739),
    (lambda: MultiscaleDiscriminator(39), 5_603_202),
    (lambda: MultiscaleDiscriminator(39, num_d=3), 8_404_803),
    (lambda: MultiscaleDiscriminator(39, num_d=1), 2_801_601),
    (lambda: MultiscaleDiscriminator(7), 5_537_666),
    (lambda: MultiscaleDiscriminator(6, features=False), 5_535_618),
    (FeatureEncoder, 788_803),
    (lambda: ResnetGenerator(3), 11_378_179),
    (lambda: ResnetGenerator(1), 11_371_907),
    (lambda: ResnetGenerator(4), 11_381_315),
    (lambda: ResnetGenerator(3, 4), 11_381_316),
    (lambda: ResnetGenerator(3, n_blocks=6), 7_837_699),
    (lambda: ResnetGenerator(3, norm="batch"), 11_383_427),
    (lambda: UNetGenerator(3), 54_413_955),
    (lambda: UNetGenerator(3, norm="instance"), 54_409_603),
    (lambda: UNetGenerator(3, num_downs=7), 41_828_995),
    (lambda: PatchGAN(3), 2_764_737),
    (lambda: PatchGAN(6, norm="batch"), 2_768_705),
    (lambda: PatchGAN(3, norm="batch"), 2_765_633),
    (lambda: PatchGAN(6), 2_767_809),
    (lambda: PixelGAN(6), 9_024),
]


@pytest.mark.parametrize(("make", "parameters"), COUNTS)
def test_parameters_are_as_many_as_in_the_references(make: Callable[[], nn.Module], parameters: int) -> None:
    with torch.device("meta"):  # shapes without memory
        assert count(make()) == parameters


def test_keys_of_the_global_generator() -> None:
    blocks = {f"model.{block}.conv_block.{conv}" for block in range(16, 25) for conv in (1, 5)}
    plain = {f"model.{index}" for index in (1, 4, 7, 10, 13, 25, 28, 31, 34, 38)}
    module = ResnetGenerator(3, 3, 1, 4)
    assert keys(module) == blocks | plain
    assert len(list(module.parameters())) == 56
    assert set(module.state_dict()) == {name for name, _ in module.named_parameters()}


def test_keys_of_the_cyclegan_generator() -> None:
    blocks = {f"model.{block}.conv_block.{conv}" for block in range(10, 19) for conv in (1, 5)}
    assert keys(ResnetGenerator(3, 3, 1)) == blocks | {f"model.{index}" for index in (1, 4, 7, 19, 22, 26)}
    assert len(list(ResnetGenerator(3, 3, 1).parameters())) == 48


def test_dropout_moves_the_second_convolution_of_a_block() -> None:
    assert "model.10.conv_block.6" in keys(ResnetGenerator(3, 3, 1, dropout=True))


def test_keys_of_the_local_enhancer() -> None:
    found = {key for key in keys(LocalEnhancer(3, 3, 1)) if not key.startswith("model.")}
    blocks = {f"model1_2.{block}.conv_block.{conv}" for block in range(3) for conv in (1, 5)}
    assert found == blocks | {"model1_1.1", "model1_1.4", "model1_2.3", "model1_2.7"}


def test_local_enhancer_holds_the_global_generator_without_its_end() -> None:
    whole = ResnetGenerator(3, 3, 2, 4)
    inner = {name: value.shape for name, value in LocalEnhancer(3, 3, 1).model.state_dict(prefix="model.").items()}
    outer = {name: value.shape for name, value in whole.state_dict().items()}
    assert outer.keys() - inner.keys() == {"model.38.weight", "model.38.bias"}
    assert all(outer[name] == shape for name, shape in inner.items())


def test_only_the_last_of_several_enhancers_paints() -> None:
    module = LocalEnhancer(3, 3, 1, n_down=1, n_blocks=1, n_local=2, n_blocks_local=1)
    assert not any(isinstance(part, nn.Tanh) for part in module.get_submodule("model1_2").modules())
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert module.enhancers() == [module.get_submodule("model2_1"), module.get_submodule("model2_2")]


def test_keys_of_the_discriminators() -> None:
    with_features = {f"scale{scale}_layer{layer}.0" for scale in range(3) for layer in range(5)}
    assert keys(MultiscaleDiscriminator(3, 1, num_d=3)) == with_features
    without = {f"layer{scale}.{index}" for scale in range(2) for index in (0, 2, 5, 8, 11)}
    assert keys(MultiscaleDiscriminator(3, 1, features=False)) == without
    assert keys(PatchGAN(3, 1)) == {f"model.{index}" for index in (0, 2, 5, 8, 11)}
    assert keys(PixelGAN(3, 1)) == {"net.0", "net.2", "net.3", "net.5"}


def test_scale_zero_sees_the_smallest_picture() -> None:
    module = MultiscaleDiscriminator(1, 1, num_d=3)
    with torch.no_grad():
        before = [scale[-1] for scale in module(torch.randn(1, 1, 64, 64, generator=torch.manual_seed(0)))]
        module.get_submodule("scale0_layer0")[0].bias.add_(1.0)
        after = [scale[-1] for scale in module(torch.randn(1, 1, 64, 64, generator=torch.manual_seed(0)))]
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_pix2pixhd_pads_by_two_and_pix2pix_by_one() -> None:
    x = torch.zeros(1, 3, 256, 256)
    assert MultiscaleDiscriminator(3, 1)(x)[0][-1].shape == (1, 1, 35, 35)
    assert PatchGAN(3, 1)(x).shape == (1, 1, 30, 30)


def test_deep_layers_stop_widening_where_the_references_do() -> None:
    assert PatchGAN(3, 4, n_layers=5).model[-1].in_channels == 32
    assert MultiscaleDiscriminator(3, 4, n_layers=5).get_submodule("scale0_layer6")[0].in_channels == 128
    assert MultiscaleDiscriminator(3, 128, n_layers=3).get_submodule("scale0_layer4")[0].in_channels == 512


def test_biases_under_batch_norm_follow_the_family() -> None:
    cyclegan = {name for name, _ in ResnetGenerator(3, 3, 1, norm="batch").named_parameters()}
    pix2pixhd = {name for name, _ in ResnetGenerator(3, 3, 1, norm="batch", bias=True).named_parameters()}
    assert "model.1.bias" not in cyclegan
    assert "model.26.bias" in cyclegan
    assert pix2pixhd - cyclegan == {f"{key}.bias" for key in keys(ResnetGenerator(3, 3, 1)) if key != "model.26"}


def test_sides_that_do_not_divide_are_rounded_up() -> None:
    assert ResnetGenerator(3, 3, 1, 4, 0)(torch.zeros(1, 3, 100, 100)).shape == (1, 3, 112, 112)


def test_dropout_of_the_unet_sits_in_the_inner_blocks_alone() -> None:
    module = UNetGenerator(3, 3, 8, 1, dropout=True)
    assert sum(isinstance(part, nn.Dropout) for part in module.modules()) == 3
    assert not any(isinstance(part, nn.Dropout) for part in UNetGenerator(3, 3, 5, 1, dropout=True).modules())


def test_middle_of_the_unet_is_not_normalised_on_the_way_down() -> None:
    """At 1 x 1 an instance norm would make every feature 0."""
    out = UNetGenerator(3, 3, 5, 2, norm="instance").eval()(torch.randn(1, 3, 64, 64, generator=torch.manual_seed(1)))
    assert out.std() > 0


def test_feature_encoder_gives_every_pixel_of_an_instance_its_mean() -> None:
    module = FeatureEncoder(3, 2, 2, 1)
    x = torch.randn(2, 3, 16, 16, generator=torch.manual_seed(2))
    instances = torch.zeros(2, 16, 16, dtype=torch.int64)
    instances[:, 4:9, 3:7] = 26_001
    with torch.no_grad():
        plain, pooled = module(x), module.encode(x, instances)
    for picture in range(2):
        for name in (0, 26_001):
            inside = instances[picture] == name
            wanted = plain[picture][:, inside].mean(1, keepdim=True).expand(-1, int(inside.sum()))
            torch.testing.assert_close(pooled[picture][:, inside], wanted)


def test_maps_smaller_than_two_strides_are_refused() -> None:
    """Features of one pixel have no variance and no rim to mirror."""
    module = ResnetGenerator(3, 3, 1, 4, 1)
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    with pytest.raises((RuntimeError, ValueError), match=r"[Pp]adding|spatial"):
        module(torch.zeros(1, 3, 16, 16))
