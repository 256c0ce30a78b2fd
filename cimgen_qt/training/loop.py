"""The loop: draw, learn, look at held-out ground, keep; the same for every recipe, on every machine.

Chance in a step comes from (seed, step, rank) alone, and a checkpoint holds everything else: a run that was killed and
resumed ends with the weights of one that was not, on a CPU bit by bit.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cimgen_qt.core.durable import write_text
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.config import TrainConfig
from cimgen_qt.training.crops import Crops, held_out_batches
from cimgen_qt.training.freeze import freeze
from cimgen_qt.training.journal import Journal
from cimgen_qt.training.machine import Machine
from cimgen_qt.training.recipe import Recipe
from cimgen_qt.training.state import load_state, load_weights, read_facts, save_state, save_weights

CHECKPOINT, BEST, RUN = "checkpoint.safetensors", "best.safetensors", "run.json"


@dataclass
class _Standing:
    """Where a run is."""

    step: int = 0
    best: float = math.inf
    best_step: int = -1
    looks_since: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Learned:
    """What a run came to. `best` is the figure of `best_step` on held-out ground, lower is better."""

    steps: int
    best: float
    best_step: int
    early: bool
    seconds: float
    precision: str
    why: str


def learn(
    config: TrainConfig, recipe: Recipe, crops: Crops, held_out: Crops, folder: Path, machine: Machine
) -> Job[Learned]:
    """Run `config` in `folder`, going on from the checkpoint there. The recipe's product is what the run came to.

    Closing the job leaves a checkpoint of the last whole step.
    """
    standing = _stand(config, recipe, folder)
    frozen = freeze(recipe.modules()["generator"], config.freeze)
    if config.freeze and not frozen:
        raise CimgenError(
            f"no weight's name begins with {config.freeze[0]!r}", hint="See the names in best.safetensors."
        )
    for optimizer in recipe.optimizers().values():
        machine.share_gradients(optimizer)
    looked_at = yield from held_out_batches(held_out, max(1, config.schedule.judge_on // 4), 4)
    journal = Journal(folder, standing.step) if machine.first else None
    try:
        early = yield from _steps(config, recipe, crops, looked_at, folder, machine, standing, journal)
        if machine.first:
            _keep(config, recipe, folder, standing)
    except GeneratorExit:  # stopped between two steps, so what stands is whole; after a failure it may not be
        if machine.first:
            _keep(config, recipe, folder, standing)
        raise
    finally:
        if journal is not None:
            journal.close()
    if config.schedule.chosen == "best":
        restore_best(recipe, folder)
    return Learned(
        standing.step, standing.best, standing.best_step, early, standing.seconds, machine.precision, machine.why
    )


def _steps(
    config: TrainConfig, recipe: Recipe, crops: Crops, looked_at: Sequence[Batch], folder: Path, machine: Machine,
    standing: _Standing, journal: Journal | None,
) -> Job[bool]:  # fmt: skip
    """Whether the run ended before its time."""
    schedule = config.schedule
    patience = schedule.patience
    while standing.step < schedule.steps:
        if patience and standing.looks_since >= patience:
            return True
        began = time.monotonic()
        step = standing.step
        batch = crops.draw(step, schedule.batch, machine.rank).to(machine.device)
        settle(config.seed, step, machine.rank)
        recipe.begin(step, schedule.steps)
        with machine.autocast():
            losses = recipe.step(batch)
        _require_numbers(losses, step)
        standing.step += 1
        standing.seconds += time.monotonic() - began
        if journal is not None:
            journal.log(step, {f"train/{name}": value for name, value in losses.items()})
        if standing.step % schedule.judge_every == 0 or standing.step == schedule.steps:
            _look(recipe, looked_at, folder, machine, standing, journal)
        if journal is not None and (standing.step % schedule.sample_every == 0 or standing.step == 1):
            with machine.autocast():
                painted = recipe.paint(looked_at[0].to(machine.device))
            journal.sample(standing.step, looked_at[0], painted.cpu())
        if journal is not None and standing.step % schedule.keep_every == 0:
            journal.flush()  # first, so that no step of the checkpoint is without its figures
            _keep(config, recipe, folder, standing)
        said = f"learning, held out {standing.best:.4f}" if math.isfinite(standing.best) else "learning"
        yield Progress(standing.step, schedule.steps, said, losses)
    return False


def settle(seed: int, step: int, rank: int) -> None:
    """Set every source of chance from where the run stands."""
    mixed = (seed * 1_000_003 + step) * 1_000_003 + rank
    torch.manual_seed(mixed & 0x7FFF_FFFF_FFFF_FFFF)
    random.seed(mixed)


def judged(recipe: Recipe, batches: Sequence[Batch], machine: Machine) -> dict[str, float]:
    """Means over batches of held-out ground."""
    found: dict[str, list[float]] = {}
    for batch in batches:
        with machine.autocast():
            for name, value in recipe.judge(batch.to(machine.device)).items():
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


def _look(
    recipe: Recipe,
    batches: Sequence[Batch],
    folder: Path,
    machine: Machine,
    standing: _Standing,
    journal: Journal | None,
) -> None:
    figures = judged(recipe, batches, machine)
    figure = machine.agree(figures["held_out"])
    standing.looks_since += 1
    if figure < standing.best:
        standing.best, standing.best_step, standing.looks_since = figure, standing.step, 0
        if machine.first:
            save_weights(folder / BEST, recipe.product().state_dict(), {"step": standing.step, "held_out": figure})
    if journal is not None:
        journal.log(standing.step - 1, {f"held_out/{name}": value for name, value in figures.items()})
        journal.flush()


def _stand(config: TrainConfig, recipe: Recipe, folder: Path) -> _Standing:
    path = folder / CHECKPOINT
    if not path.is_file():
        return _Standing()
    facts = read_facts(path)
    if facts["digest"] != config.digest():
        raise CimgenError(
            f"the run in {folder.name} was begun with another configuration",
            hint="Resume it with the one it was begun with, or begin in another folder.",
        )
    standing = _Standing(**facts["standing"])
    recipe.begin(standing.step, config.schedule.steps)
    load_state(path, recipe)
    return standing


def _keep(config: TrainConfig, recipe: Recipe, folder: Path, standing: _Standing) -> None:
    plain = asdict(standing)
    save_state(folder / CHECKPOINT, recipe, {"digest": config.digest(), "standing": plain, "recipe": recipe.name})
    best = standing.best if math.isfinite(standing.best) else None
    facts = {"name": config.name, "recipe": config.recipe, "steps": config.schedule.steps} | plain | {"best": best}
    write_text(folder / RUN, json.dumps(facts, indent=1) + "\n")


def _require_numbers(losses: dict[str, float], step: int) -> None:
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise CimgenError(
            f"learning failed at step {step}: {', '.join(bad)} is no number any more",
            hint="Resume with lower learning rates, or with precision float32. The last checkpoint is kept.",
        )


def restore_best(recipe: Recipe, folder: Path) -> None:
    """Bring the weights that did best on held-out ground into the recipe's product, if a look was taken at all."""
    path = folder / BEST
    if path.is_file():
        recipe.product().load_state_dict(load_weights(path))
