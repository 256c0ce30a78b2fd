"""From a photo to the classes on the ground: EfficientNet-Lite0 with a feature pyramid (Lin et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.networks.backbone import CHANNELS, STAGES, EfficientNetLite0

STRIDE = 32
"""Windows begin at and measure multiples of this."""


class Segmenter(nn.Module):
    """Takes (n, 3, height, width) in [-1, 1], sides multiples of `STRIDE`; gives logits (n, classes, height, width).

    The backbone's normalisation always uses its learned statistics, in training too: batches are small, and a pixel
    must not depend on what else is in the window.
    """

    def __init__(self, classes: int, width: int = 64) -> None:
        """`classes` counts unlabelled ground as the first."""
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.side = nn.ModuleList([nn.Conv2d(CHANNELS[stage], width, 1) for stage in STAGES])
        self.smooth = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in STAGES[:-1]])
        self.fine = nn.Conv2d(3, width // 4, 3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(width + width // 4, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, classes, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        found = self.backbone.features(images)
        out = self.side[-1](found[-1])
        for number in reversed(range(len(found) - 1)):
            out = functional.interpolate(out, scale_factor=2.0, mode="nearest") + self.side[number](found[number])
            out = functional.relu(self.smooth[number](out))
        fine = functional.relu(functional.avg_pool2d(self.fine(images), 2))
        logits = self.head(torch.cat([out, fine], 1))
        return functional.interpolate(logits, scale_factor=2.0, mode="bilinear", align_corners=False)

    def train(self, mode: bool = True) -> Segmenter:
        """Normalisation of the backbone stays as it is in evaluation."""
        super().train(mode)
        self.backbone.eval()
        return self
