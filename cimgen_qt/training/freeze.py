"""Keep some weights as they are: with little data, the early layers of a network that has seen much."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def freeze(module: nn.Module, beginnings: Sequence[str]) -> int:
    """Weights whose names begin so learn no more; how many numbers that are."""
    count = 0
    for name, weight in module.named_parameters():
        if name.startswith(tuple(beginnings)) and beginnings:
            weight.requires_grad_(False)
            count += weight.numel()
    return count


def first_parts(module: nn.Module, count: int) -> tuple[str, ...]:
    """Beginnings of names, for `freeze`, of the first `count` parts that have weights of their own.

    Of a discriminator that makes FreezeD (Mo et al. 2020). Parts stand in the order of their making.
    """
    owners = [name for name, part in module.named_modules() if next(part.parameters(recurse=False), None) is not None]
    return tuple(f"{name}." if name else "" for name in owners[:count])
