"""Changes to pictures that leave a gradient through (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor


def diff_augment_together(*images: Tensor, policy: str = "color") -> tuple[Tensor, ...]:
    """The same draw for all: (n, 3, height, width) in [-1, 1]."""
    found = list(images)
    n, device = images[0].shape[0], images[0].device
    if "color" in policy.split(","):
        bright, vivid, contrast = (torch.rand(n, 1, 1, 1, device=device) for _ in range(3))
        for number, image in enumerate(found):
            x = image + (bright - 0.5)
            grey = x.mean(1, keepdim=True)
            coloured = (x - grey) * (vivid * 2) + grey
            middle = coloured.mean((1, 2, 3), keepdim=True)
            found[number] = (coloured - middle) * (contrast + 0.5) + middle
    return tuple(found)


def diff_augment(images: Tensor, policy: str = "color,translation") -> Tensor:
    """A draw for each picture of a batch."""
    return diff_augment_together(images, policy=policy)[0]
