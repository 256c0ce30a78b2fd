"""Ways to learn, one a file; the loop drives them all alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cimgen_qt.training.config import TrainConfig, filled
from cimgen_qt.training.recipe import Recipe

Colour = tuple[int, int, int]


def open_recipe(config: TrainConfig, classes: int, device: torch.device, colours: Sequence[Colour] = ()) -> Recipe:
    """The recipe that the configuration names, with its options. Raises CimgenError for options it does not have.

    `colours`: of the classes, for recipes that take maps as pictures, where the options name none.
    """
    where = f"{config.name}, [options]"
    options = dict(config.options)
    if config.recipe in ("unpaired", "fast") and colours:
        options.setdefault("colours", [list(colour) for colour in colours])
    match config.recipe:
        case "context":
            from cimgen_qt.training.recipes.context import ContextOptions, ContextRecipe

            return ContextRecipe(filled(ContextOptions, options, where), classes, device)
        case "paired":
            from cimgen_qt.training.recipes.paired import PairedOptions, PairedRecipe

            return PairedRecipe(filled(PairedOptions, options, where), classes, device)
        case "unpaired":
            from cimgen_qt.training.recipes.unpaired import UnpairedOptions, UnpairedRecipe

            return UnpairedRecipe(filled(UnpairedOptions, options, where), classes, device)
        case "fast":
            from cimgen_qt.training.recipes.fast import FastOptions, FastRecipe

            return FastRecipe(filled(FastOptions, options, where), classes, device)
        case _:
            from cimgen_qt.training.recipes.segment import SegmentOptions, SegmentRecipe

            return SegmentRecipe(filled(SegmentOptions, options, where), classes, device)
