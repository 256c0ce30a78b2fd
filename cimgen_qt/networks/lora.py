"""Small changes to a trained network that can be merged into its weights (LoRA, Hu et al. 2022, for convolutions)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LowRank(nn.Module):
    """A convolution with a change of low rank beside it: k x k to `rank` channels, then 1 x 1 to all.

    The second begins at zero, so at first the network is exactly the one it was.
    """

    def __init__(self, conv: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.conv = conv.requires_grad_(False)
        self.first = nn.Conv2d(
            conv.in_channels, rank, conv.kernel_size, conv.stride, conv.padding, conv.dilation, bias=False  # type: ignore[arg-type]
        )  # fmt: skip
        self.second = nn.Conv2d(rank, conv.out_channels, 1, bias=False)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x) + self.second(self.first(x))
        return out

    @torch.no_grad()
    def change(self) -> Tensor:
        """What is added to the convolution's weight, once merged."""
        return torch.einsum("or,rikl->oikl", self.second.weight[:, :, 0, 0], self.first.weight)


def lower(network: nn.Module, rank: int, beginnings: Sequence[str]) -> dict[str, LowRank]:
    """Put a `LowRank` in the place of every convolution whose name begins so; all other weights are frozen.

    By the names that the convolutions had. Those with fewer than 2 * `rank` channels on a side stay as they are.
    """
    network.requires_grad_(False)
    found = {}
    for name, module in list(network.named_modules()):
        if not isinstance(module, nn.Conv2d) or not name.startswith(tuple(beginnings)):
            continue
        if min(module.in_channels, module.out_channels) < 2 * rank or module.groups != 1:
            continue
        parent, _, last = name.rpartition(".")
        made = LowRank(module, rank).to(module.weight.device)
        setattr(network.get_submodule(parent), last, made)
        found[name] = made
    return found


def merged(network: nn.Module, lowered: dict[str, LowRank]) -> dict[str, Tensor]:
    """The state of the network as if it had been changed outright, under the names it had before."""
    state = {}
    for key, value in network.state_dict().items():
        owner = next((name for name in lowered if key.startswith(f"{name}.")), None)
        if owner is None:
            state[key] = value.detach()
        elif key == f"{owner}.conv.weight":
            state[f"{owner}.weight"] = value.detach() + lowered[owner].change()
        elif key == f"{owner}.conv.bias":
            state[f"{owner}.bias"] = value.detach()
    return state
