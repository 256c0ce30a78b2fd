"""Learn to paint photos from maps without pairs and without a way back: FastCUT (Park et al. 2020).

A patch of the photo that was made has to resemble its own patch of the map more than others, in features of the
generator's own first half. One generator and one discriminator: about half of CycleGAN's work for each step.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.initial import initialise
from cimgen_qt.networks.patchgan import PatchGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.coloured import FromClasses, as_picture, class_colours
from cimgen_qt.training.contrast import PatchHeads, nce
from cimgen_qt.training.freeze import first_parts, freeze
from cimgen_qt.training.losses import lsgan
from cimgen_qt.training.recipes.held_out import Looks
from cimgen_qt.training.schedules import cyclegan, epoch_of


@dataclass(frozen=True)
class FastOptions:
    """FastCUT's own values. An epoch is one of `constant` + `decay` equal parts of the run."""

    ngf: int = 64
    n_down: int = 2
    n_blocks: int = 9
    ndf: int = 64
    n_layers: int = 3
    rate: float = 2e-4
    beta1: float = 0.5
    contrast: float = 10.0
    layers: tuple[int, ...] = (0, 4, 7, 10, 14)
    """Numbers of `model.N` whose outputs are compared: padded input, both halvings, first and fifth block."""
    patches: int = 256
    width: int = 256
    """Numbers that describe a patch."""
    temperature: float = 0.07
    flip: bool = True
    """Mirror half of the maps: what is made of them has to be mirrored likewise."""
    constant: int = 150
    decay: int = 50
    colours: tuple[tuple[int, int, int], ...] = ()
    """Of the classes, in the order of the palette; empty: hues evenly apart."""
    frozen_judge: int = 0
    """First layers of the discriminator that stay as they were (FreezeD)."""


class FastRecipe:
    """`modules`: generator, discriminator, heads. Losses carry the names of the reference: D, G_GAN, NCE."""

    name = "fast"

    def __init__(self, options: FastOptions, classes: int, device: torch.device) -> None:
        """Raises CimgenError for options that do not fit together."""
        self.options = options
        self.colours = class_colours(classes, options.colours).to(device)
        self.architecture = Architecture(
            kind="resnet", inputs=3, width=options.ngf, down=options.n_down, blocks=options.n_blocks
        )
        self.generator = ResnetGenerator(3, 3, options.ngf, options.n_down, options.n_blocks)
        _require_layers(options, len(self.generator.model))
        self.discriminator = PatchGAN(3, options.ndf, options.n_layers)
        with torch.no_grad():
            side = 4 << options.n_down
            features = encoded(self.generator, torch.zeros(1, 3, side, side), options.layers)
        self.heads = PatchHeads([found.shape[1] for found in features], options.width)
        for module in (self.generator, self.discriminator):
            initialise(module, "cyclegan")
            module.to(device)  # not channels last: with one sample, torch 2.13 gets instance norms wrong there
        self.heads.to(device)
        freeze(self.discriminator, first_parts(self.discriminator, options.frozen_judge))
        self._looks = Looks(device)
        betas = (options.beta1, 0.999)
        learns = [*self.generator.parameters(), *self.heads.parameters()]
        self._g = torch.optim.Adam(learns, options.rate, betas=betas)
        self._d = torch.optim.Adam(self.discriminator.parameters(), options.rate, betas=betas)

    def modules(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "heads": self.heads}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generator": self._g, "discriminator": self._d}

    def extra(self) -> Mapping[str, Tensor]:
        return {}

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        """Modules and optimisers are all there is."""

    def begin_average(self) -> None:
        """There is none: FastCUT keeps the last weights."""

    def begin(self, step: int, steps: int) -> None:
        options = self.options
        epochs = options.constant + options.decay
        factor = cyclegan(epoch_of(step, steps, epochs), options.constant, options.decay)
        for optimizer in (self._g, self._d):
            for group in optimizer.param_groups:
                group["lr"] = options.rate * factor

    def step(self, batch: Batch) -> dict[str, float]:
        """The discriminator first, then the generator and the heads."""
        self.generator.train()
        drawn = as_picture(batch.onehot, self.colours)
        flipped = self.options.flip and random.random() < 0.5
        made = self.generator(drawn.flip(3) if flipped else drawn)
        judged = self._teach_discriminator(batch.image, made.detach())
        parts = {
            "G_GAN": lsgan(self.discriminator(made), True),
            "NCE": self._contrast(drawn, made, flipped) * self.options.contrast,
        }
        self._g.zero_grad(set_to_none=True)
        (parts["G_GAN"] + parts["NCE"]).backward(inputs=_learning(self._g))  # type: ignore[no-untyped-call]
        self._g.step()
        return {name: float(value.detach()) for name, value in ({"D": judged} | parts).items()}

    def _teach_discriminator(self, real: Tensor, made: Tensor) -> Tensor:
        loss = (lsgan(self.discriminator(real), True) + lsgan(self.discriminator(made), False)) / 2
        self._d.zero_grad(set_to_none=True)
        loss.backward(inputs=_learning(self._d))  # type: ignore[no-untyped-call]
        self._d.step()
        return loss

    def _contrast(self, drawn: Tensor, made: Tensor, flipped: bool) -> Tensor:
        """The mean over the layers; the same places in map and photo, each time others."""
        options = self.options
        asked = encoded(self.generator, made, options.layers)
        if flipped:
            asked = [found.flip(3) for found in asked]
        keys = encoded(self.generator, drawn, options.layers)
        losses = []
        for number, (one, other) in enumerate(zip(asked, keys, strict=True)):
            spots = one.shape[2] * one.shape[3]
            places = torch.randperm(spots)[: options.patches].to(one.device)
            query, key = (self.heads(number, found, places) for found in (one, other))
            losses.append(nce(query, key, options.temperature))
        return torch.stack(losses).mean()

    def product(self) -> nn.Module:
        """The generator; it takes one-hot classes."""
        return FromClasses(self.generator, self.colours).eval()

    @torch.no_grad()
    def paint(self, batch: Batch) -> Tensor:
        """The whole picture, from the map alone."""
        made: Tensor = self.product()(batch.onehot)
        return made

    def judge(self, batch: Batch) -> dict[str, float]:
        return self._looks.figures(batch, self.paint(batch))


def encoded(generator: ResnetGenerator, x: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
    """What `model.N` gives for each N of `layers`; what comes after the last is not run."""
    found = []
    for number, part in enumerate(list(generator.model)[: max(layers) + 1]):
        x = part(x)
        if number in layers:
            found.append(x)
    return found


def _require_layers(options: FastOptions, count: int) -> None:
    last = count - 3 * options.n_down - 4
    if not options.layers or sorted(set(options.layers)) != list(options.layers) or options.layers[-1] > last:
        raise CimgenError(
            f"layers {list(options.layers)} are not in the first half of the generator",
            hint=f"Give numbers that grow, up to {last}.",
        )


def _learning(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """What the way back has to reach: nothing of the other network."""
    return [weight for group in optimizer.param_groups for weight in group["params"] if weight.requires_grad]
