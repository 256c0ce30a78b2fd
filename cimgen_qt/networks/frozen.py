"""Instance norms that keep the statistics of one picture, so that tiles of it agree where they meet.

Instance norm (Ulyanov et al. 2016) takes mean and variance over the whole input: a pixel then depends on everything in
its tile. With the statistics of one picture as constants a pixel depends on its receptive field alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FLOOR = 1e-3
"""Of the mean variance of a layer: a feature that is flat in the picture measured must not be blown up in others."""


class FrozenNorm(nn.Module):
    """An instance norm without weights; once measured, multiplication by and addition of constants."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.measuring = False
        self.scale: Tensor | None = None
        """(1, channels, 1, 1), as `shift`."""
        self.shift: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.measuring:
            self._measure(x)
        if self.scale is None or self.shift is None:
            return functional.instance_norm(x, eps=self.eps)
        return x * self.scale + self.shift

    def _measure(self, x: Tensor) -> None:
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        scale = torch.rsqrt(torch.maximum(variance, FLOOR * variance.mean()) + self.eps)
        self.scale, self.shift = scale, -mean * scale


def freezable(module: nn.Module) -> int:
    """Put a `FrozenNorm` in the place of every instance norm, which changes nothing yet; gives how many there are."""
    for owner in list(module.modules()):
        for name, part in owner.named_children():
            if isinstance(part, nn.InstanceNorm2d):
                owner.register_module(name, FrozenNorm(part.eps))
    return len(_norms(module))


def freeze(module: nn.Module, picture: Tensor) -> Tensor:
    """Take the statistics of `picture` (1, channels, height, width) from now on; gives what the network makes of it.

    That is what it made of the picture before, but for rounding and flat features.
    """
    with torch.no_grad():
        for norm in _norms(module):
            norm.measuring = True
        try:
            made: Tensor = module(picture)
        finally:
            for norm in _norms(module):
                norm.measuring = False
    return made


def thaw(module: nn.Module) -> None:
    """Each input by its own statistics again."""
    for norm in _norms(module):
        norm.scale = norm.shift = None


def _norms(module: nn.Module) -> list[FrozenNorm]:
    return [part for part in module.modules() if isinstance(part, FrozenNorm)]
