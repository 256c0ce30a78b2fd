"""All that going on needs, in one file: set in place whole, so that a run can be killed at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cimgen_qt.core.durable import write_bytes
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.training.recipe import Recipe

FORMAT = "cimgen-training-1"
_DAMAGED = "Take an older checkpoint, or begin the run anew in another folder."


def save_state(path: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
    """Write weights, optimisers and averages as safetensors; `facts` (plain values) go into its header."""
    tensors: dict[str, Tensor] = {}
    groups: dict[str, Any] = {}
    for name, module in recipe.modules().items():
        tensors |= {f"modules/{name}/{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in recipe.optimizers().items():
        state = optimizer.state_dict()
        groups[name] = state["param_groups"]
        for number, values in state["state"].items():
            tensors |= {f"optimizers/{name}/{number}/{key}": torch.as_tensor(v) for key, v in values.items()}
    tensors |= {f"extra/{key}": value for key, value in recipe.extra().items()}
    header = {"format": FORMAT, "facts": json.dumps(dict(facts)), "groups": json.dumps(groups)}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, save({name: value.clone() for name, value in plain.items()}, metadata=header))


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a checkpoint. Raises CimgenError where it is none."""
    try:
        with safe_open(str(path), "pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CimgenError(f"{path.name} cannot be read as a checkpoint", hint=_DAMAGED) from error
    if header.get("format") != FORMAT:
        raise CimgenError(f"{path.name} is no checkpoint of a training run", hint=_DAMAGED)
    facts: dict[str, Any] = json.loads(header["facts"])
    return facts


def load_state(path: Path, recipe: Recipe) -> None:
    """Put everything back. `recipe.begin` was called for the step to come, so that its optimisers are the same ones."""
    with safe_open(str(path), "pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    groups = json.loads(header["groups"])
    try:
        for name, module in recipe.modules().items():
            module.load_state_dict(_below(tensors, f"modules/{name}/"))
        for name, optimizer in recipe.optimizers().items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizers/{name}/").items():
                number, what = key.split("/")
                state.setdefault(int(number), {})[what] = value
            optimizer.load_state_dict({"state": state, "param_groups": groups[name]})
        recipe.load_extra(_below(tensors, "extra/"))
    except (KeyError, RuntimeError, ValueError) as error:
        raise CimgenError(
            f"{path.name} does not fit this configuration: {str(error).splitlines()[0]}",
            hint="Was the recipe, its options or the number of classes changed since? Begin in another folder.",
        ) from error


def _below(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


def save_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Weights of one network as safetensors."""
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    write_bytes(path, save(plain, metadata={"format": "cimgen-weights-1", "facts": json.dumps(dict(facts))}))


def load_weights(path: Path) -> dict[str, Tensor]:
    """Raises CimgenError where it is no safetensors file."""
    try:
        with safe_open(str(path), "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError) as error:
        raise CimgenError(f"{path.name} cannot be read as weights", hint="It has to be a safetensors file.") from error
