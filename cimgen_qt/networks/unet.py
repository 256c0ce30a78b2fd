"""The U-shaped generator of pix2pix, which carries every scale of the input past the narrow middle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cimgen_qt.networks.architecture import Norm
from cimgen_qt.networks.norm import biased, normalise

_DEEP = 8
"""The widest layers have this many times `ngf` channels."""


class UNetGenerator(nn.Module):
    """Isola et al. 2017; keys `model.model.N.model...` as in pytorch-CycleGAN-and-pix2pix.

    `num_downs` 5 to 8 (7 is unet_128, 8 unet_256): sides of the input are multiples of 2**num_downs. Dropout, if
    wanted, in the `num_downs` - 5 blocks around the middle.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 3,
        num_downs: int = 8,
        ngf: int = 64,
        norm: Norm = "batch",
        dropout: bool = False,
    ) -> None:
        super().__init__()
        deep = _DEEP * ngf
        block = UNetBlock(deep, deep, None, norm)
        for _ in range(num_downs - 5):
            block = UNetBlock(deep, deep, block, norm, dropout)
        for width in (4 * ngf, 2 * ngf, ngf):
            block = UNetBlock(width, 2 * width, block, norm)
        self.model = UNetBlock(outputs, ngf, block, norm, inputs=inputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out


class UNetBlock(nn.Module):
    """Down to half, `within`, up again, and what came in beside it; with `inputs` the outermost, which ends in tanh."""

    def __init__(
        self,
        outer: int,
        inner: int,
        within: UNetBlock | None,
        norm: Norm,
        dropout: bool = False,
        inputs: int | None = None,
    ) -> None:
        super().__init__()
        self.outermost = inputs is not None
        use_bias = biased(norm, None)
        down = nn.Conv2d(outer if inputs is None else inputs, inner, 4, 2, 1, bias=use_bias)
        joined = inner if within is None else 2 * inner
        up = nn.ConvTranspose2d(joined, outer, 4, 2, 1, bias=use_bias or self.outermost)
        layers: list[nn.Module] = [down] if self.outermost else [nn.LeakyReLU(0.2), down]
        if within is not None:
            layers += [within] if self.outermost else [normalise(inner, norm), within]
        layers += [nn.ReLU(), up, nn.Tanh() if self.outermost else normalise(outer, norm)]
        self.model = nn.Sequential(*layers, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        return out if self.outermost else torch.cat([x, out], 1)
