"""Adapt a trained generator to one scene: a small change of its weights that lies in the project and can be dropped."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.tiling import Lattice
from cimgen_qt.generators.adapters import Adapter, compressed
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.onnx_weights import weights_of
from cimgen_qt.networks.context import ContextGenerator, shape_of
from cimgen_qt.networks.lora import lower, merged
from cimgen_qt.training.companions import companions_of, take_over
from cimgen_qt.training.crops import CropOptions, Crops, Tile, held_out_batches
from cimgen_qt.training.ground import read_ground
from cimgen_qt.training.loop import judged, settle
from cimgen_qt.training.machine import Machine, open_machine, reproducible
from cimgen_qt.training.recipes.context import ContextOptions, ContextRecipe
from cimgen_qt.training.request import AdaptRequest
from cimgen_qt.training.warp import warp_batch

RANK = 8
LOOK_EVERY, PATIENCE = 25, 4
_CROP, _EACH = 192, 4
_RATES = {"lora": 5e-4, "decoder": 2e-4, "full": 1e-4}
_UP = ("up.", "out")


@dataclass(frozen=True)
class Adapted:
    """`adapter` is None where no change did better than the model itself on held-out ground."""

    adapter: Adapter | None
    before: float
    after: float
    steps: int
    windows: int
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Plain values, and `said`: the line that a person reads."""
        better = 100 * (1 - self.after / self.before)
        said = (
            f"adapted: {better:.0f} % nearer to held-out ground of this scene after {self.steps} steps"
            if self.adapter is not None
            else "nothing was gained on held-out ground: the model is used as it is"
        )
        return {"kept": self.adapter is not None, "before": self.before, "after": self.after, "steps": self.steps,
                "windows": self.windows, "notes": list(self.notes), "said": said}  # fmt: skip


def adapt(request: AdaptRequest, scene: SceneView, card: ModelCard) -> Job[Adapted]:
    """Learn from the pristine scene. Closing the job leaves nothing behind.

    Raises ModelError where the model is no context-aware generator, CimgenError where the scene has too little ground.
    """
    scale = Lattice.of(GeneratorSpec(card.name, metres_per_pixel=card.metres_per_pixel), scene.grid).scale
    learned, held_out = yield from read_ground(scene, card, scale, request.seed)
    return (yield from adapt_to(request, card, learned, held_out))


def adapt_to(request: AdaptRequest, card: ModelCard, learned: Sequence[Tile], held_out: Sequence[Tile]) -> Job[Adapted]:
    """Learn from some tiles and be judged on others; classes are channels of the model. Raises as `adapt` does."""
    model, base, network = _network(card)
    with reproducible(request.threads):
        machine = open_machine(request.device, "auto")
        settle(request.seed, -1, 0)
        run = _Adaptation(request, card, network, learned, held_out, machine)
        yield from run.learn()
        changes = {name: run.best[name] - base[name] for name in base if (run.best[name] != base[name]).any()}
        if not changes:
            return Adapted(None, run.before, run.before, run.steps, len(learned), tuple(run.notes))
        facts = {"model": card.name, "mode": request.mode, "seed": request.seed, "steps": run.steps}
        packed = compressed({name: change.numpy().astype(np.float32) for name, change in changes.items()})
        adapter = Adapter(model, packed, facts)
        kept = {
            name: torch.from_numpy(c) for name, v in base.items() if (c := adapter.change(name, v.shape)) is not None
        }
        after = run.judge({name: value + kept.get(name, 0) for name, value in base.items()})
        if after >= run.before:
            return Adapted(None, run.before, run.before, run.steps, len(learned), tuple(run.notes))
        return Adapted(adapter, run.before, after, run.steps, len(learned), tuple(run.notes))


def _network(card: ModelCard) -> tuple[str, dict[str, Tensor], ContextGenerator]:
    """The SHA-256 of the model's file, its weights by name, and the network with them."""
    extra = dict(card.extra)
    if extra.get("network") != "context":
        raise ModelError(
            f"{card.name} cannot be adapted: it is no context-aware generator made by cimgen train",
            hint="Choose the default model, or train one with the recipe context.",
        )
    data = (card.folder / card.file).read_bytes()
    weights = {name: torch.from_numpy(np.array(value)) for name, value in weights_of(data).items()}
    network = ContextGenerator(shape_of(weights, tuple(int(d) for d in extra["dilations"].split(","))))
    state = {name: weights[name] for name in network.state_dict()}
    network.load_state_dict(state)
    return hashlib.sha256(data).hexdigest(), state, network


class _Adaptation:
    """The state of one run. `best` are the weights of the whole network that did best on held-out ground."""

    def __init__(
        self,
        request: AdaptRequest,
        card: ModelCard,
        network: ContextGenerator,
        learned: Any,
        held_out: Any,
        machine: Machine,
    ) -> None:
        self._request, self._machine = request, machine
        self._plain = deepcopy(network)
        self.best = {name: value.clone() for name, value in network.state_dict().items()}
        beginnings = {"lora": ("trunk.", *_UP), "decoder": _UP, "full": ("",)}[request.mode]
        self._lowered = lower(network, RANK, beginnings) if request.mode == "lora" else {}
        if not self._lowered:
            for name, weight in network.named_parameters():
                weight.requires_grad_(name.startswith(beginnings))
        judges = companions_of(str(card.path))
        self.notes = [] if judges else [f"{card.name} came without its judges: texture may not follow the scene"]
        options = ContextOptions(
            rate=_RATES[request.mode], judge_rate=2e-4, average=0.9, adversarial=1.0 if judges else 0.0
        )
        classes = network.shape.classes
        self._recipe = ContextRecipe(options, classes, machine.device, network)
        take_over(self._recipe.modules(), judges)
        side = min(_CROP, learned[0].channels.shape[0])
        self._crops = Crops(learned, classes, CropOptions(side, whole=0.15), request.seed)
        self._held_out = Crops(held_out, classes, CropOptions(side, whole=0.0, turn=False), request.seed)
        self.before = self._least = math.inf
        self.steps = 0

    def learn(self) -> Job[None]:
        """Until nothing better comes of it, or the steps are over."""
        self._looked_at = yield from held_out_batches(self._held_out, 6, _EACH)
        self.before = self._least = judged(self._recipe, self._looked_at, self._machine)["held_out"]
        since, total = 0, self._request.steps
        while self.steps < total and since < PATIENCE:
            step = self.steps
            settle(self._request.seed, step, 0)
            self._recipe.begin(step, total)
            batch = warp_batch(self._crops.draw(step, 1), self._request.warp)
            with self._machine.autocast():
                losses = self._recipe.step(batch.to(self._machine.device))
            self.steps += 1
            if self.steps % LOOK_EVERY == 0 or self.steps == total:
                figure = judged(self._recipe, self._looked_at, self._machine)["held_out"]
                since += 1
                if figure < self._least:
                    self._least, since = figure, 0
                    self._keep()
            gain = 100 * (1 - self._least / self.before)
            yield Progress(self.steps, total, f"adapting, {gain:.0f} % nearer", losses)

    def _keep(self) -> None:
        product = self._recipe.product()
        if not self._lowered:
            self.best = {name: value.detach().cpu().clone() for name, value in product.state_dict().items()}
            return
        found = {name: product.get_submodule(name) for name in self._lowered}
        self.best = {name: value.cpu().clone() for name, value in merged(product, found).items()}  # type: ignore[arg-type]

    def judge(self, state: Mapping[str, Tensor]) -> float:
        """How a network of these weights does on the held-out ground."""
        self._plain.load_state_dict(dict(state))
        options = ContextOptions(average=0.0)
        recipe = ContextRecipe(options, self._plain.shape.classes, self._machine.device, self._plain)
        return judged(recipe, self._looked_at, self._machine)["held_out"]
