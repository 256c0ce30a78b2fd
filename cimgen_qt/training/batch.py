"""What one step learns from, as tensors on the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Crops of photo and classes, with a hole in each that is to be filled.

    Channels are those of the network: class 0 of the palette (unlabelled) has none in `onehot`.
    """

    image: Tensor
    """(n, 3, height, width) in [-1, 1]."""
    labels: Tensor
    """(n, height, width) int64: the channel of each pixel's class, -1 where it has none."""
    onehot: Tensor
    """(n, classes, height, width), 0 or 1."""
    edges: Tensor
    """(n, 1, height, width), 1 on both sides of a border between classes."""
    mask: Tensor
    """(n, 1, height, width), 1 in the hole."""
    noise: Tensor
    """(n, 1, height, width), standard normal."""
    step: int = 0

    @property
    def condition(self) -> Tensor:
        """(n, classes + 2, height, width): classes, edges and hole, which a discriminator is told."""
        return torch.cat([self.onehot, self.edges, self.mask], 1)

    @property
    def context(self) -> Tensor:
        """(n, classes + 6, height, width): the input of `networks.context.ContextGenerator`."""
        return torch.cat([self.onehot, self.edges, self.image * (1 - self.mask), self.mask, self.noise], 1)

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = {name: getattr(self, name).to(device, non_blocking=True)
                 for name in ("image", "labels", "onehot", "edges", "mask", "noise")}  # fmt: skip
        return Batch(**moved, step=self.step)


def make_batch(image: Tensor, labels: Tensor, mask: Tensor, noise: Tensor, classes: int, step: int = 0) -> Batch:
    """From uint8 photos (n, 3, h, w), class channels (n, h, w; -1: none), holes (n, h, w; bool) and noise."""
    onehot = (labels[:, None] == torch.arange(classes, device=labels.device)[None, :, None, None]).float()
    return Batch(image.float() / 127.5 - 1, labels, onehot, class_edges(labels), mask[:, None].float(), noise, step)


def class_edges(labels: Tensor) -> Tensor:
    """(n, 1, h, w): 1 where a pixel differs from one of its four neighbours (Wang et al. 2018)."""
    made = torch.zeros_like(labels, dtype=torch.bool)
    across, down = labels[:, :, 1:] != labels[:, :, :-1], labels[:, 1:] != labels[:, :-1]
    made[:, :, 1:] |= across
    made[:, :, :-1] |= across
    made[:, 1:] |= down
    made[:, :-1] |= down
    return made[:, None].float()
