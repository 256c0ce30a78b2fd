"""Pictures made a while ago: a discriminator shown them too does not forget (Shrivastava et al. 2017)."""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor

_KEY = "images"


class ImagePool:
    """Keeps up to `size` pictures; draws from Python's `random`, in CycleGAN's order. Size 0 hands all through."""

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self._kept: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """For each picture itself or, once the pool is full, by an even chance an older one, whose place it takes.

        (n, channels, height, width), all of one size; what comes back has no gradient.
        """
        if not self.size:
            return images.detach()
        return torch.cat([self._exchange(image) for image in torch.split(images.detach(), 1)])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._kept) < self.size:
            self._kept.append(image)
            return image
        if random.uniform(0, 1) <= 0.5:
            return image
        place = random.randint(0, self.size - 1)
        older, self._kept[place] = self._kept[place], image
        return older

    def state(self) -> dict[str, Tensor]:
        """What `load` takes; nothing while it is empty."""
        return {_KEY: torch.cat(self._kept)} if self._kept else {}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from what `state` gave."""
        self._kept = list(torch.split(tensors[_KEY].to(device), 1)) if _KEY in tensors else []
