"""Ways to learn, one a file; the loop drives them all alike."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.training.config import RECIPES, TrainConfig, filled
from cimgen_qt.training.recipe import Recipe

Colour = tuple[int, int, int]


def open_recipe(config: TrainConfig, classes: int, device: torch.device, colours: Sequence[Colour] = ()) -> Recipe:
    """The recipe that the configuration names, with its options. Raises CimgenError for options it does not have.

    `colours`: of the classes, for recipes that take maps as pictures, where the options name none.
    """
    options = dict(config.options)
    if config.recipe in ("unpaired", "fast") and colours:
        options.setdefault("colours", [list(colour) for colour in colours])
    made = filled(options_of(config.recipe), options, f"{config.name}, [options]")
    recipe: Recipe = getattr(_module(config.recipe), f"{config.recipe.capitalize()}Recipe")(made, classes, device)
    return recipe


def options_of(recipe: str) -> type[Any]:
    """The dataclass of what a recipe lets one set. Raises CimgenError where there is no such recipe."""
    found: type[Any] = getattr(_module(recipe), f"{recipe.capitalize()}Options")
    return found


def summary_of(recipe: str) -> str:
    """The first line of what its module says of itself."""
    return (_module(recipe).__doc__ or "").strip().splitlines()[0]


def _module(recipe: str) -> ModuleType:
    match recipe:
        case "context":
            from cimgen_qt.training.recipes import context

            return context
        case "paired":
            from cimgen_qt.training.recipes import paired

            return paired
        case "unpaired":
            from cimgen_qt.training.recipes import unpaired

            return unpaired
        case "fast":
            from cimgen_qt.training.recipes import fast

            return fast
        case "segment":
            from cimgen_qt.training.recipes import segment

            return segment
        case _:
            raise CimgenError(f"there is no recipe {recipe!r}", hint=f"There are: {', '.join(RECIPES)}.")
