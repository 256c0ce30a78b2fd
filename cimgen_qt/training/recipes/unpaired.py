"""Learn to paint photos from maps without knowing which belongs to which: CycleGAN (Zhu et al. 2017), as published.

Maps are pictures in the colours of their classes, so that there is a way back from photos to maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.initial import initialise
from cimgen_qt.networks.patchgan import PatchGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.coloured import FromClasses, as_picture, class_colours
from cimgen_qt.training.freeze import first_parts, freeze
from cimgen_qt.training.losses import full, lsgan
from cimgen_qt.training.pool import ImagePool
from cimgen_qt.training.recipes.held_out import Looks
from cimgen_qt.training.schedules import cyclegan, epoch_of


@dataclass(frozen=True)
class UnpairedOptions:
    """CycleGAN's own values. An epoch is one of `constant` + `decay` equal parts of the run."""

    ngf: int = 64
    n_down: int = 2
    n_blocks: int = 9
    ndf: int = 64
    n_layers: int = 3
    rate: float = 2e-4
    beta1: float = 0.5
    cycle: float = 10.0
    identity: float = 0.5
    """Times `cycle`: how much a generator is to leave alone what is of its own kind already."""
    pool: int = 50
    constant: int = 100
    decay: int = 100
    colours: tuple[tuple[int, int, int], ...] = ()
    """Of the classes, in the order of the palette; empty: hues evenly apart."""
    frozen_judge: int = 0
    """First layers of both discriminators that stay as they were (FreezeD)."""


class UnpairedRecipe:
    """`modules`: generator (map to photo), back (photo to map), judge_photo, judge_map.

    In the names of the reference these are G_A, G_B, D_A and D_B, and the losses are named as there. No loss compares a
    map with the photo it was drawn with.
    """

    name = "unpaired"

    def __init__(self, options: UnpairedOptions, classes: int, device: torch.device) -> None:
        """Raises CimgenError for options that do not fit together."""
        self.options = options
        self.colours = class_colours(classes, options.colours).to(device)
        self.architecture = Architecture(
            kind="resnet", inputs=3, width=options.ngf, down=options.n_down, blocks=options.n_blocks
        )
        shape = (3, 3, options.ngf, options.n_down, options.n_blocks)
        self.generator, self.back = ResnetGenerator(*shape), ResnetGenerator(*shape)
        self.judge_photo, self.judge_map = (PatchGAN(3, options.ndf, options.n_layers) for _ in range(2))
        for module in self.modules().values():
            initialise(module, "cyclegan")
            module.to(device)  # not channels last: with one sample, torch 2.13 gets instance norms wrong there
        for judge in (self.judge_photo, self.judge_map):
            freeze(judge, first_parts(judge, options.frozen_judge))
        self.pools = {"photo": ImagePool(options.pool), "map": ImagePool(options.pool)}
        self._device = device
        self._looks = Looks(device)
        betas = (options.beta1, 0.999)
        painters = [*self.generator.parameters(), *self.back.parameters()]
        judges = [*self.judge_photo.parameters(), *self.judge_map.parameters()]
        self._g = torch.optim.Adam(painters, options.rate, betas=betas)
        self._d = torch.optim.Adam(judges, options.rate, betas=betas)

    def modules(self) -> Mapping[str, nn.Module]:
        return {
            "generator": self.generator,
            "back": self.back,
            "judge_photo": self.judge_photo,
            "judge_map": self.judge_map,
        }

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generators": self._g, "judges": self._d}

    def extra(self) -> Mapping[str, Tensor]:
        return {f"{kind}.{key}": value for kind, pool in self.pools.items() for key, value in pool.state().items()}

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        for kind, pool in self.pools.items():
            start = f"{kind}."
            own = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
            pool.load(own, self._device)

    def begin_average(self) -> None:
        """There is none: CycleGAN keeps the last weights."""

    def begin(self, step: int, steps: int) -> None:
        options = self.options
        over = epoch_of(step, steps, options.constant + options.decay) + 1
        factor = cyclegan(over, options.constant, options.decay)
        for optimizer in (self._g, self._d):
            for group in optimizer.param_groups:
                group["lr"] = options.rate * factor

    def step(self, batch: Batch) -> dict[str, float]:
        """Both generators first, then both discriminators."""
        self.generator.train()
        drawn, photo = as_picture(batch.onehot, self.colours), batch.image
        made_photo, made_map, losses = self._generator_losses(drawn, photo)
        self._g.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=_learning(self._g))  # type: ignore[no-untyped-call]
        self._g.step()
        found = {
            "D_A": _discern(self.judge_photo, photo, self.pools["photo"].query(made_photo)),
            "D_B": _discern(self.judge_map, drawn, self.pools["map"].query(made_map)),
        }
        self._d.zero_grad(set_to_none=True)
        (found["D_A"] + found["D_B"]).backward(inputs=_learning(self._d))  # type: ignore[no-untyped-call]
        self._d.step()
        return {name: float(value.detach()) for name, value in (losses | found).items()}

    def _generator_losses(self, drawn: Tensor, photo: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Photo, map and losses; in the order of the reference, in which gradients are summed too."""
        cycle, identity = self.options.cycle, self.options.cycle * self.options.identity
        made_photo = self.generator(drawn)
        drawn_again = self.back(made_photo)
        made_map = self.back(photo)
        photo_again = self.generator(made_map)
        kept = {}
        if identity:
            kept["idt_A"] = _apart(self.generator(photo), photo) * identity
            kept["idt_B"] = _apart(self.back(drawn), drawn) * identity
        losses = {
            "G_A": lsgan(self.judge_photo(made_photo), True),
            "G_B": lsgan(self.judge_map(made_map), True),
            "cycle_A": _apart(drawn_again, drawn) * cycle,
            "cycle_B": _apart(photo_again, photo) * cycle,
        }
        return made_photo, made_map, losses | kept

    def product(self) -> nn.Module:
        """The way from maps to photos; it takes one-hot classes."""
        return FromClasses(self.generator, self.colours).eval()

    @torch.no_grad()
    def paint(self, batch: Batch) -> Tensor:
        """The whole picture, from the map alone."""
        made: Tensor = self.product()(batch.onehot)
        return made

    def judge(self, batch: Batch) -> dict[str, float]:
        return self._looks.figures(batch, self.paint(batch))


def _discern(judge: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    return (lsgan(judge(real), True) + lsgan(judge(made), False)) / 2


def _apart(made: Tensor, wanted: Tensor) -> Tensor:
    return functional.l1_loss(full(made), full(wanted))


def _learning(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """What the way back has to reach: nothing of the other networks."""
    return [weight for group in optimizer.param_groups for weight in group["params"] if weight.requires_grad]
