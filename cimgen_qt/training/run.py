"""One run from its request to its result: dataset, recipe, loop, card."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cimgen_qt.core.durable import write_text
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Job
from cimgen_qt.datasets.store import Dataset, open_dataset
from cimgen_qt.training.companions import companions_of, take_over
from cimgen_qt.training.config import TrainConfig, load_config
from cimgen_qt.training.crops import CropOptions, Crops, class_channels
from cimgen_qt.training.loop import CHECKPOINT, learn, settle
from cimgen_qt.training.machine import open_machine, reproducible
from cimgen_qt.training.recipes import open_recipe
from cimgen_qt.training.request import TrainRequest
from cimgen_qt.training.result import write_result
from cimgen_qt.training.start import begin_from
from cimgen_qt.training.tiles import read_tiles

FEW_TILES = 40
"""Below so many tiles a run from the beginning rarely comes to anything."""


def train(request: TrainRequest) -> Job[dict[str, Any]]:
    """Learn; the facts tell what came of it and which weights were chosen. Closing it keeps a checkpoint to resume.

    Raises CimgenError for a configuration, dataset or device that does not do.
    """
    config = load_config(Path(request.config), request.dataset)
    if request.steps is not None:
        config = replace(config, schedule=replace(config.schedule, steps=request.steps))
    folder = _folder(Path(request.out), request.resume)
    dataset = open_dataset(Path(config.dataset))
    notes = _warnings(config, dataset)
    with reproducible(request.threads):
        machine = open_machine(request.device, config.precision)
        crops = yield from _crops(config, dataset, "train")
        held_out = yield from _crops(config, dataset, "validation" if dataset.split("validation") else "train")
        settle(config.seed, -1, 0)
        ids = class_channels(dataset.palette)
        colours = [known.colour for class_id in ids if (known := dataset.palette.get(class_id)) is not None]
        recipe = open_recipe(config, len(ids), machine.device, colours)
        if config.start:
            notes.append(begin_from(recipe.modules()["generator"], config.start))
            taken = take_over(recipe.modules(), companions_of(config.start))
            notes += [f"taken over as well: {', '.join(taken)}"] if taken else []
            recipe.begin_average()
        if machine.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "config.txt", repr(config) + "\n")
        learned = yield from learn(config, recipe, crops, held_out, folder, machine)
        facts: dict[str, Any] = asdict(learned) | {"notes": notes, "tiles": len(crops.tiles), "first": machine.first}
        if machine.first:
            metres = dataset.metres_per_pixel
            metres = None if metres is None else metres * config.schedule.shrink
            facts |= write_result(folder, config, recipe, dataset.palette, metres)
    return facts


def _folder(folder: Path, resume: bool) -> Path:
    there = (folder / CHECKPOINT).is_file()
    if there and not resume:
        raise CimgenError(
            f"{folder.name} holds a run already", hint="Go on with it by --resume, or name another folder."
        )
    if resume and not there:
        raise CimgenError(f"{folder.name} holds no run to resume", hint="Begin without --resume.")
    if folder.exists() and not there and any(folder.iterdir()):
        raise CimgenError(f"{folder.name} is not empty", hint="Name a new folder for the run.")
    return folder


def _crops(config: TrainConfig, dataset: Dataset, split: str) -> Job[Crops]:
    schedule = config.schedule
    tiles = yield from read_tiles(dataset, split, schedule.shrink)
    options = CropOptions(schedule.crop, schedule.whole, schedule.balanced, schedule.turn)
    return Crops(tiles, len(class_channels(dataset.palette)), options, config.seed)


def _warnings(config: TrainConfig, dataset: Dataset) -> list[str]:
    found = []
    count = len(dataset.split("train"))
    if count < FEW_TILES and not config.start:
        found.append(f"{count} tiles are few to begin from nothing: name a model to go on from as `start`")
    if not dataset.split("validation"):
        found.append("the dataset holds out nothing for validation: figures are of ground that was learned from")
    return found
