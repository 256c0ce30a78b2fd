"""Weights and inputs without random numbers, so that outputs can be written down (algorithms.md, golden vectors)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

torch.set_num_threads(1)


def filled(module: nn.Module) -> nn.Module:
    """In float64, value i of parameter k being 0.05 sin(0.37 i + k)."""
    module = module.double().eval()
    with torch.no_grad():
        for k, parameter in enumerate(module.parameters()):
            index = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((0.05 * torch.sin(0.37 * index + k)).view_as(parameter))
    return module


def wave(*shape: int) -> Tensor:
    """Value n is sin(0.01 n)."""
    return torch.sin(0.01 * torch.arange(math.prod(shape), dtype=torch.float64)).view(*shape)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def keys(module: nn.Module) -> set[str]:
    """Of the parameters, without `.weight` and `.bias`."""
    return {name.rpartition(".")[0] for name, _ in module.named_parameters()}
