"""What networks are judged by while they learn."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def hinge_discriminator(real: Tensor, fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Half the sum of both hinges (Lim and Ye 2017), a mean over pixels weighted by `weight` where there is one."""
    return (_mean(functional.relu(1 - real), weight) + _mean(functional.relu(1 + fake), weight)) / 2


def hinge_generator(fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Minus what the discriminator says, a mean over pixels weighted by `weight` where there is one."""
    return -_mean(fake, weight)


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean()
    weight = torch.broadcast_to(weight, values.shape)
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
