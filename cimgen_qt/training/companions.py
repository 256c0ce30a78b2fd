"""The other networks that a generator learned with, such as discriminators: who goes on from it goes on with them.

As pix2pixHD does with --load_pretrain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.networks.official import copy_into, tidy
from cimgen_qt.networks.weights_file import read_tensors
from cimgen_qt.training.loop import CHECKPOINT
from cimgen_qt.training.result import JUDGES
from cimgen_qt.training.state import load_weights

_GENERATOR = "generator"
_KEPT = "modules/"
_OFFICIAL = re.compile(r"(.+_net_)G(_A|_B)?\.pth")
"""latest_net_G.pth of pix2pixHD and pix2pix; _A and _B of CycleGAN, where G_A makes what D_A judges."""

Companions = Mapping[str, Mapping[str, Tensor]]
"""Weights by the names of a recipe's modules."""


def companions_of(start: str) -> Companions:
    """What lies beside a start: in the checkpoint of a run, beside a card, or in an official file of the same run."""
    path = Path(start)
    if (path / CHECKPOINT).is_file():
        found = _grouped(load_weights(path / CHECKPOINT), _KEPT, "/")
        return {name: values for name, values in found.items() if name != _GENERATOR}
    if path.suffix == ".pth":
        return {name: tidy(read_tensors(file))[0] for name, file in _official(path).items() if file.is_file()}
    try:
        file = model_card(start).folder / JUDGES
    except ModelError:
        return {}
    return _grouped(load_weights(file), "", ".") if file.is_file() else {}


def take_over(modules: Mapping[str, nn.Module], found: Companions) -> list[str]:
    """Fill those of `modules` that fit, and give their names; weights of another shape stay as they were."""
    taken = []
    for name in (name for name in found if name in modules):
        if copy_into(modules[name], {key: value.float() for key, value in found[name].items()}).copied:
            taken.append(name)
    return taken


def _official(path: Path) -> dict[str, Path]:
    said = _OFFICIAL.fullmatch(path.name)
    if said is None:
        return {}
    if not said[2]:
        return {"discriminator": path.with_name(f"{said[1]}D.pth")}
    here, there = said[2], "_B" if said[2] == "_A" else "_A"
    names = {"back": f"G{there}", "judge_photo": f"D{here}", "judge_map": f"D{there}"}
    return {name: path.with_name(f"{said[1]}{file}.pth") for name, file in names.items()}


def _grouped(weights: Mapping[str, Tensor], start: str, sign: str) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in weights.items():
        if key.startswith(start):
            name, _, rest = key.removeprefix(start).partition(sign)
            found.setdefault(name, {})[rest] = value
    return found
