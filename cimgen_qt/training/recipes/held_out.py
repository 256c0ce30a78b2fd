"""Figures of held-out ground that are the same for every recipe that paints, so that runs can be compared."""

from __future__ import annotations

import torch
from torch import Tensor

from cimgen_qt.networks.backbone import EfficientNetLite0, frozen_backbone
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.machine import placed
from cimgen_qt.training.recipes.context import colour_gap, perceptual_gap


class Looks:
    """Judges pictures by a frozen network, which is loaded at the first look."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._eye: EfficientNetLite0 | None = None

    @torch.no_grad()
    def figures(self, batch: Batch, painted: Tensor) -> dict[str, float]:
        """As the context recipe's: of the photo with its hole filled from `painted`; `held_out` is their sum."""
        if self._eye is None:
            self._eye = placed(frozen_backbone(), self._device)
        filled = painted.float() * batch.mask + batch.image * (1 - batch.mask)
        gap = float(perceptual_gap(self._eye.features(batch.image), self._eye.features(filled)))
        colour = float(colour_gap(batch, filled))
        return {"held_out": gap + colour, "perceptual": gap, "colour": colour}
