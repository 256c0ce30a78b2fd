"""The residual generator that pix2pixHD calls global and CycleGAN calls resnet: one network, one layout of keys."""

from __future__ import annotations

from torch import Tensor, nn

from cimgen_qt.networks.architecture import Norm
from cimgen_qt.networks.norm import biased, normalise


class ResBlock(nn.Module):
    """x + (3x3, norm, ReLU, 3x3, norm), each convolution on a mirrored rim (Johnson et al. 2016)."""

    def __init__(self, channels: int, norm: Norm = "instance", dropout: bool = False, bias: bool | None = None) -> None:
        super().__init__()
        use_bias = biased(norm, bias)
        first = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=use_bias), normalise(channels, norm)]
        between = [nn.ReLU(inplace=True), *([nn.Dropout(0.5)] if dropout else [])]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=use_bias), normalise(channels, norm)]
        self.conv_block = nn.Sequential(*first, *between, *second)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv_block(x)
        return out


class ResnetGenerator(nn.Module):
    """Wang et al. 2018 (n_down 4) and Zhu et al. 2017 (n_down 2), state dicts `model.N` as in both.

    Takes (n, inputs, height, width), sides at least 2 * 2**n_down pixels. Gives (n, outputs, height, width) in [-1, 1];
    sides that are no multiples of 2**n_down come out rounded up to one. With instance norm every pixel of the output
    depends on the whole input. `bias=None` is CycleGAN's rule, `bias=True` pix2pixHD's; only under batch norm do they
    differ.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 3,
        ngf: int = 64,
        n_down: int = 2,
        n_blocks: int = 9,
        norm: Norm = "instance",
        dropout: bool = False,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        layers = body(inputs, ngf, n_down, n_blocks, norm, dropout, bias)
        self.model = nn.Sequential(*layers, *head(ngf, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


def body(
    inputs: int, ngf: int, n_down: int, n_blocks: int, norm: Norm, dropout: bool = False, bias: bool | None = None
) -> list[nn.Module]:
    """Everything up to features of `ngf` channels at full resolution; the local enhancer joins in there."""
    use_bias = biased(norm, bias)
    layers = stem(inputs, ngf, norm, bias)
    for width in (ngf << level for level in range(n_down)):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=use_bias), normalise(2 * width, norm), nn.ReLU(True)]
    layers += [ResBlock(ngf << n_down, norm, dropout, bias) for _ in range(n_blocks)]
    for width in (ngf << level for level in range(n_down, 0, -1)):
        layers += twice(width, norm, bias)
    return layers


def stem(inputs: int, width: int, norm: Norm, bias: bool | None = None) -> list[nn.Module]:
    """7x7 on a mirrored rim."""
    conv = nn.Conv2d(inputs, width, 7, bias=biased(norm, bias))
    return [nn.ReflectionPad2d(3), conv, normalise(width, norm), nn.ReLU(True)]


def twice(width: int, norm: Norm, bias: bool | None = None) -> list[nn.Module]:
    """Twice the resolution, half the channels."""
    conv = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=biased(norm, bias))
    return [conv, normalise(width // 2, norm), nn.ReLU(True)]


def head(width: int, outputs: int) -> list[nn.Module]:
    """7x7 on a mirrored rim into [-1, 1]."""
    return [nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()]
