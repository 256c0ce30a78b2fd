"""Discriminators that judge patches: of pix2pix and CycleGAN (one scale) and of pix2pixHD (several, with features)."""

from __future__ import annotations

from torch import Tensor, nn

from cimgen_qt.networks.architecture import Norm
from cimgen_qt.networks.norm import biased, normalise

SLOPE = 0.2
"""Of the leaky rectifiers of every discriminator here."""
_WIDEST_HD = 512
"""Channels of pix2pixHD's deepest layers, whatever `ndf`; pix2pix and CycleGAN stop at 8 `ndf`."""


class PatchGAN(nn.Module):
    """Isola et al. 2017, padding 1: one unbounded judgement for every patch of 70 x 70 pixels (n_layers 3).

    Inputs are the picture alone (CycleGAN, instance norm) or map and picture, the map first (pix2pix, batch norm).
    """

    def __init__(self, inputs: int, ndf: int = 64, n_layers: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        layers = _layers(inputs, ndf, n_layers, norm, 1, None, 8 * ndf)
        self.model = nn.Sequential(*(part for layer in layers for part in layer))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class PixelGAN(nn.Module):
    """Isola et al. 2017: one judgement a pixel that has seen that pixel alone."""

    def __init__(self, inputs: int, ndf: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        use_bias = biased(norm, None)
        self.net = nn.Sequential(
            nn.Conv2d(inputs, ndf, 1),
            nn.LeakyReLU(SLOPE, True),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=use_bias),
            normalise(2 * ndf, norm),
            nn.LeakyReLU(SLOPE, True),
            nn.Conv2d(2 * ndf, 1, 1, bias=use_bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class MultiscaleDiscriminator(nn.Module):
    """Wang et al. 2018, padding 2: the same judge on the picture, on its half, and so on, each with weights of its own.

    Takes classes, edges and picture concatenated in this order. Gives, full resolution first, one list for each scale:
    the features of every layer, the judgement last; without `features` the judgement alone. The weights are numbered
    the other way round: `scale0_layer*` (or `layer0`) sees the smallest picture.
    """

    def __init__(
        self,
        inputs: int,
        ndf: int = 64,
        n_layers: int = 3,
        num_d: int = 2,
        norm: Norm = "instance",
        features: bool = True,
    ) -> None:
        super().__init__()
        self.num_d = num_d
        self.n_layers = n_layers
        self.features = features
        for scale in range(num_d):
            layers = _layers(inputs, ndf, n_layers, norm, 2, True, _WIDEST_HD)
            if not features:
                self.add_module(f"layer{scale}", nn.Sequential(*(part for layer in layers for part in layer)))
                continue
            for index, layer in enumerate(layers):
                self.add_module(f"scale{scale}_layer{index}", nn.Sequential(*layer))
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        judged = []
        for scale in reversed(range(self.num_d)):
            judged.append(self._judge(scale, x))
            if scale:
                x = self.downsample(x)
        return judged

    def _judge(self, scale: int, x: Tensor) -> list[Tensor]:
        if not self.features:
            return [self.get_submodule(f"layer{scale}")(x)]
        seen = []
        for index in range(self.n_layers + 2):
            x = self.get_submodule(f"scale{scale}_layer{index}")(x)
            seen.append(x)
        return seen


def _layers(
    inputs: int, ndf: int, n_layers: int, norm: Norm, padding: int, bias: bool | None, widest: int
) -> list[list[nn.Module]]:
    """`n_layers` that halve the resolution, one that does not, and the judgement."""
    layers: list[list[nn.Module]] = [[nn.Conv2d(inputs, ndf, 4, 2, padding), nn.LeakyReLU(SLOPE, True)]]
    width = ndf
    for depth in range(1, n_layers + 1):
        wider = min(ndf << depth, widest)
        stride = 1 if depth == n_layers else 2
        conv = nn.Conv2d(width, wider, 4, stride, padding, bias=biased(norm, bias))
        layers.append([conv, normalise(wider, norm), nn.LeakyReLU(SLOPE, True)])
        width = wider
    return [*layers, [nn.Conv2d(width, 1, 4, 1, padding)]]
