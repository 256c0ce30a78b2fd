"""Ways to learn, one a file; the loop drives them all alike."""

from __future__ import annotations

import torch

from cimgen_qt.training.config import TrainConfig, filled
from cimgen_qt.training.recipe import Recipe


def open_recipe(config: TrainConfig, classes: int, device: torch.device) -> Recipe:
    """The recipe that the configuration names, with its options. Raises CimgenError for options it does not have."""
    where = f"{config.name}, [options]"
    match config.recipe:
        case "context":
            from cimgen_qt.training.recipes.context import ContextOptions, ContextRecipe

            return ContextRecipe(filled(ContextOptions, config.options, where), classes, device)
        case _:
            from cimgen_qt.training.recipes.segment import SegmentOptions, SegmentRecipe

            return SegmentRecipe(filled(SegmentOptions, config.options, where), classes, device)
