"""The normalisations that the convolutional generators and discriminators choose from, in one place."""

from __future__ import annotations

from torch import nn

from cimgen_qt.networks.architecture import Norm


def normalise(channels: int, norm: Norm) -> nn.Module:
    """Instance: no weights and no running statistics, as in both reference repositories; batch: both."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=False, track_running_stats=False)


def biased(norm: Norm, bias: bool | None) -> bool:
    """Whether a convolution before a normalisation carries a bias: `None` is CycleGAN's rule (not before batch)."""
    return norm == "instance" if bias is None else bias
