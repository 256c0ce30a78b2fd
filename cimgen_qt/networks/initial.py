"""Set the first weights of a network as the reference repositories do."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, nn

Family = Literal["pix2pixhd", "cyclegan"]

_STD = 0.02


def initialise(module: nn.Module, family: Family, random: Generator | None = None) -> None:
    """Weights of convolutions from N(0, 0.02), of batch norms from N(1, 0.02), biases of batch norms 0.

    CycleGAN and pix2pix set biases of convolutions to 0; pix2pixHD leaves them as PyTorch drew them. Without `random`
    the global source of random numbers is used.
    """
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.weight.normal_(0.0, _STD, generator=random)
                if part.bias is not None and family == "cyclegan":
                    part.bias.zero_()
            elif isinstance(part, nn.BatchNorm2d):
                part.weight.normal_(1.0, _STD, generator=random)
                part.bias.zero_()
