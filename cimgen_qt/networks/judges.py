"""Discriminators without normalisation: one that looks at pixels, and heads on a frozen pre-trained network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.networks.backbone import CHANNELS


class PixelJudge(nn.Module):
    """A PatchGAN of three strided layers (Isola et al. 2017) without normalisation, which would hide low contrast."""

    def __init__(self, condition: int, widths: Sequence[int] = (32, 64, 128)) -> None:
        """`condition`: channels of classes, edges and hole that come with the picture."""
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3 + condition
        for width in widths:
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
        _kaiming(self)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """(n, 1, height / 8, width / 8): above 0 where it takes the picture for real."""
        found: Tensor = self.layers(torch.cat([images, condition], 1))
        return found


class FeatureHeads(nn.Module):
    """One small judge for each of some stages of a frozen network (Projected GAN, Sauer et al. 2021)."""

    def __init__(self, condition: int, stages: Sequence[int] = (0, 2, 4, 10), width: int = 64) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.heads = nn.ModuleList([_head(CHANNELS[stage] + condition, width) for stage in self.stages])
        _kaiming(self)

    def forward(self, features: Sequence[Tensor], condition: Tensor) -> list[Tensor]:
        """Logits a stage, for the features of exactly `stages`."""
        return [
            head(torch.cat([found, functional.adaptive_avg_pool2d(condition, (found.shape[2], found.shape[3]))], 1))
            for head, found in zip(self.heads, features, strict=True)
        ]


def _head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 1),
    )  # fmt: skip


def _kaiming(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
