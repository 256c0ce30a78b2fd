"""Averaged weights: what a network is at the end of a run, without the last steps' wandering."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of weights and buffers (Polyak and Juditsky 1992).

    Early on it follows faster, so that it never carries the initial weights along.
    """

    def __init__(self, module: nn.Module, decay: float = 0.995) -> None:
        """`decay` from 0 (the last weights) to below 1."""
        self.decay = decay
        self._kept = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after step number `step`, counted from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            kept = self._kept[name]
            if kept.is_floating_point():
                kept.lerp_(value.to(kept.dtype), share)
            else:
                kept.copy_(value)

    def copy_to(self, module: nn.Module) -> None:
        """Give `module` the averaged weights."""
        module.load_state_dict(self._kept)

    def state(self) -> dict[str, Tensor]:
        """What `load` takes."""
        return dict(self._kept)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        for name, kept in self._kept.items():
            kept.copy_(tensors[name])
