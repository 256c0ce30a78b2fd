"""What a run gives: a folder with the network as ONNX, its weights, and a card that tells how to feed it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from cimgen_qt.core.durable import write_bytes, write_text
from cimgen_qt.core.palette import Palette
from cimgen_qt.generators.card_file import card_text
from cimgen_qt.generators.cards import CARD_NAME, CardClass, CardInput, CardOutput, ModelCard
from cimgen_qt.networks import context, segmenter
from cimgen_qt.networks.context import ContextGenerator
from cimgen_qt.networks.to_onnx import export, require_same
from cimgen_qt.training.config import TrainConfig
from cimgen_qt.training.crops import class_channels
from cimgen_qt.training.recipe import Recipe
from cimgen_qt.training.recipes.fast import FastRecipe
from cimgen_qt.training.recipes.paired import PairedRecipe
from cimgen_qt.training.recipes.unpaired import UnpairedRecipe
from cimgen_qt.training.state import save_weights

MODEL = "model"
JUDGES = "judges.safetensors"
"""The discriminators that a generator learned with: adapting it goes on with them."""
_LIMIT = 5e-3
"""Of the largest difference between network and export, in units of its output, where weights are kept in full."""
_BANDS = ("red", "green", "blue")


def write_result(
    folder: Path, config: TrainConfig, recipe: Recipe, palette: Palette, metres: float | None
) -> dict[str, Any]:
    """Write `folder`/model; the facts tell its files and how far the export is from the network."""
    network = recipe.product()
    target = folder / MODEL
    target.mkdir(exist_ok=True)
    parts = _inputs(recipe, len(class_channels(palette)))
    example = {"input": torch.linspace(-1, 1, sum(p.channels for p in parts) * 128 * 96).reshape(1, -1, 128, 96)}
    model = export(network, example, ["output"], half_weights=True)
    file = f"{config.name}.onnx"
    exact = require_same(network, export(network, example, ["output"]), example, _LIMIT)
    write_bytes(target / file, model)
    save_weights(target / "weights.safetensors", network.state_dict(), {"recipe": recipe.name})
    judges = {f"{name}.{key}": value.half() for name in ("heads", "pixel") if name in recipe.modules()
              for key, value in recipe.modules()[name].state_dict().items()}  # fmt: skip
    if judges:
        save_weights(target / JUDGES, judges, {"recipe": recipe.name})
    card = _card(config, recipe, palette, metres, target / CARD_NAME, file, hashlib.sha256(model).hexdigest(), parts)
    write_text(target / CARD_NAME, card_text(card))
    return {"card": str(target / CARD_NAME), "megabytes": round(len(model) / 1e6, 2), "export_difference": exact,
            "half_weights_difference": require_same(network, model, example, float("inf"))}  # fmt: skip


def _inputs(recipe: Recipe, classes: int) -> tuple[CardInput, ...]:
    if recipe.name == "context":
        return (
            CardInput("labels-onehot", "input", classes),
            CardInput("edges", "input", 1),
            CardInput("masked-photo", "input", 3, range=(-1.0, 1.0), bands=_BANDS),
            CardInput("mask", "input", 1),
            CardInput("noise", "input", 1),
        )
    if recipe.name == "segment":
        return (CardInput("photo", "input", 3, range=(-1.0, 1.0), bands=_BANDS),)
    if recipe.name in ("unpaired", "fast"):
        return (CardInput("labels-onehot", "input", classes),)
    return (CardInput("labels-onehot", "input", classes), CardInput("edges", "input", 1))


def _card(
    config: TrainConfig, recipe: Recipe, palette: Palette, metres: float | None, path: Path, file: str, sha256: str,
    inputs: tuple[CardInput, ...],
) -> ModelCard:  # fmt: skip
    known = {c.id: c for c in palette}
    classes = tuple(
        CardClass(index, known[class_id].name, known[class_id].aliases, known[class_id].colour)
        for index, class_id in enumerate(class_channels(palette))
    )
    network = recipe.product()
    facts: dict[str, Any] = {"tile": 512, "stride": 1, "halo": 0}
    extra = {"made by": "cimgen train", "recipe": config.recipe, "seed": str(config.seed)}
    extra["steps"] = str(config.schedule.steps)
    kind, output = "map-to-image", CardOutput("output", _BANDS, (-1.0, 1.0))
    if isinstance(network, ContextGenerator):
        facts = {"tile": 512, "stride": context.STRIDE, "halo": context.reach(network.shape)}
        extra |= {"network": "context", "dilations": ",".join(map(str, network.shape.dilations))}
    elif isinstance(recipe, (PairedRecipe, UnpairedRecipe, FastRecipe)):
        facts["stride"] = recipe.architecture.stride
    elif recipe.name == "segment":
        facts = {"tile": 512, "stride": segmenter.STRIDE, "halo": 128}
        extra["activation"] = "softmax"
        kind, output = "image-to-map", CardOutput("output", tuple(c.name for c in classes), (-20.0, 20.0))
    return ModelCard(
        name=config.name, version=config.card.version, kind=kind, path=path, file=file, sha256=sha256,
        licence=config.card.licence or "not stated", credits=config.card.credits, notes=config.card.notes,
        classes=classes, inputs=inputs, output=output, metres_per_pixel=metres,
        largest=facts["tile"] + 2 * (-(-facts["halo"] // facts["stride"]) * facts["stride"]) + 512,
extra=tuple(sorted(extra.items())),
        **facts,
    )  # fmt: skip
