"""Patches told apart by their features: the contrastive loss of CUT (Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.training.losses import full

_STD = 0.02
_SELF = -10.0
"""Stands in for the likeness of a patch to its own key among the others."""


class PatchHeads(nn.Module):
    """Describes places of feature maps by `width` numbers of unit length, each map by layers of its own."""

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        """`channels` of each map."""
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width)) for count in channels
        )
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, 0.0, _STD)
                nn.init.zeros_(part.bias)

    def forward(self, number: int, features: Tensor, places: Tensor) -> Tensor:
        """(n, places, width) of map `number`, (n, channels, height, width), at `places` counted along its rows."""
        taken = features.flatten(2).index_select(2, places).transpose(1, 2)
        found = full(self.heads[number](taken))
        return torch.div(found, torch.linalg.vector_norm(found, dim=2, keepdim=True) + 1e-7)


def nce(asked: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """How hard it is to find each one's own key among those of all places of its picture, (n, places, width) both.

    The cross-entropy of likenesses over `temperature`, a mean; no gradient reaches the keys.
    """
    keys = keys.detach()
    own = (asked * keys).sum(2, keepdim=True)
    others = asked @ keys.transpose(1, 2)
    same = torch.eye(others.shape[1], dtype=torch.bool, device=others.device)
    likeness = torch.cat([own, others.masked_fill(same, _SELF)], 2).flatten(0, 1) / temperature
    return functional.cross_entropy(likeness, torch.zeros(len(likeness), dtype=torch.long, device=likeness.device))
