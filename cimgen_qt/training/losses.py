"""What networks are judged by while they learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def hinge_discriminator(real: Tensor, fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Half the sum of both hinges (Lim and Ye 2017), a mean over pixels weighted by `weight` where there is one."""
    return (_mean(functional.relu(1 - real), weight) + _mean(functional.relu(1 + fake), weight)) / 2


def hinge_generator(fake: Tensor, weight: Tensor | None = None) -> Tensor:
    """Minus what the discriminator says, a mean over pixels weighted by `weight` where there is one."""
    return -_mean(fake, weight)


def lsgan(said: Tensor, real: bool) -> Tensor:
    """Mean squared distance of what a discriminator says from 1 (real) or 0 (made), after Mao et al. 2017."""
    return (full(said) - float(real)).square().mean()


def lsgan_scales(judged: Sequence[Sequence[Tensor]], real: bool) -> Tensor:
    """The sum over the scales of a `MultiscaleDiscriminator`, as in pix2pixHD (SPADE takes their mean)."""
    return torch.stack([lsgan(scale[-1], real) for scale in judged]).sum()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 distance of a discriminator's features, judgements left out (Wang et al. 2018, equation 4).

    Layers weigh 4 / (n_layers + 1), scales 1 / num_D, as in their code. No gradient reaches `real`. Needs
    discriminators that give features.
    """
    parts = []
    for made, true in zip(fake, real, strict=True):
        weight = 4.0 / (len(made) - 1) / len(fake)
        pairs = zip(made[:-1], true[:-1], strict=True)
        parts += [weight * functional.l1_loss(full(f), full(r.detach())) for f, r in pairs]
    return torch.stack(parts).sum()


def full(values: Tensor) -> Tensor:
    """At least float32: sums over a picture do not fit 8 bits of mantissa."""
    return values if values.dtype == torch.float64 else values.float()


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values.mean()
    weight = torch.broadcast_to(weight, values.shape)
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
