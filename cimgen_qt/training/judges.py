"""The discriminators that a shipped or trained model learned with: who goes on from it goes on with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.networks.official import copy_into
from cimgen_qt.training.result import JUDGES, MODEL
from cimgen_qt.training.state import load_weights

NAMES = ("heads", "pixel")
"""Of the modules that are judges."""


def judges_of(start: str) -> Path | None:
    """The file that lies beside a model; `start` is a run folder, a card, or the name of a model. None without one."""
    path = Path(start)
    try:
        folder = path / MODEL if (path / MODEL).is_dir() else model_card(start).folder
    except ModelError:
        return None
    found = folder / JUDGES
    return found if found.is_file() else None


def take_over(modules: Mapping[str, nn.Module], path: Path) -> bool:
    """Fill the judges among `modules` from a file; False where not one of its weights fits. Raises CimgenError."""
    weights, copied = load_weights(path), 0
    for name in (name for name in NAMES if name in modules):
        start = f"{name}."
        part = {key.removeprefix(start): value.float() for key, value in weights.items() if key.startswith(start)}
        copied += len(copy_into(modules[name], part).copied)
    return copied > 0
