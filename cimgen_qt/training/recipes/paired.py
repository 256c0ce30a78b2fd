"""Learn to paint photos from maps, pair by pair: pix2pixHD (Wang et al. 2018), step by step as published.

Coarse to fine takes two runs. The first trains a `global` generator with `shrink = 2` in the schedule; the second
starts from it with `generator = "local"`, `ngf` halved and `fix_global` epochs in which the enhancer alone learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.initial import initialise
from cimgen_qt.networks.patchgan import MultiscaleDiscriminator
from cimgen_qt.training.augment import diff_augment_together
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.freeze import freeze
from cimgen_qt.training.losses import feature_matching, lsgan_scales
from cimgen_qt.training.perceptual import PerceptualLoss
from cimgen_qt.training.pool import ImagePool
from cimgen_qt.training.recipes.held_out import Looks
from cimgen_qt.training.recipes.segment import toned
from cimgen_qt.training.schedules import epoch_of, first_step_of, pix2pixhd
from cimgen_qt.training.warp import warp_batch

_KINDS = ("global", "local")


@dataclass(frozen=True)
class PairedOptions:
    """pix2pixHD's own values. An epoch is one of `constant` + `decay` equal parts of the run."""

    generator: str = "global"
    ngf: int = 64
    """32 for "local": the width of its enhancer."""
    n_down: int = 4
    n_blocks: int = 9
    n_blocks_local: int = 3
    num_d: int = 2
    ndf: int = 64
    n_layers: int = 3
    rate: float = 2e-4
    beta1: float = 0.5
    features: float = 10.0
    perceptual: float = 10.0
    vgg: str = ""
    """File of VGG19's weights; empty: no perceptual loss."""
    normalise: bool = False
    """Feed VGG19 as it was trained, which pix2pixHD does not."""
    pool: int = 0
    constant: int = 100
    decay: int = 100
    fix_global: int = 0
    """Epochs in which the global part of a "local" generator stays as it was."""
    augment: str = ""
    """What the discriminator sees is changed so (see `training.augment`): helps where tiles are few."""
    frozen_judge: int = 0
    """First layers of each discriminator that stay as they were (FreezeD)."""
    warp: float = 0.0
    """Share of samples that are bent by thin-plate splines; 0.99 and a single pair is DeepSIM (Vinker et al. 2021)."""
    tone: float = 0.0
    """How far brightness, contrast and the balance of colours of photos are moved."""


class PairedRecipe:
    """`modules`: generator, discriminator. Losses carry the names of the reference: G_GAN, G_GAN_Feat, G_VGG, D_*."""

    name = "paired"

    def __init__(self, options: PairedOptions, classes: int, device: torch.device) -> None:
        """Raises CimgenError for options that do not fit together."""
        _require_sense(options)
        self.options = options
        self.architecture = _architecture(options, classes + 1)
        self.generator = build(self.architecture)
        self.discriminator = MultiscaleDiscriminator(classes + 4, options.ndf, options.n_layers, options.num_d)
        for module in (self.generator, self.discriminator):
            initialise(module, "pix2pixhd")
            module.to(device)  # not channels last: with one sample, torch 2.13 gets instance norms wrong there
        scales = range(options.num_d)
        frozen = [f"scale{s}_layer{layer}." for s in scales for layer in range(options.frozen_judge)]
        freeze(self.discriminator, frozen)
        self.vgg = PerceptualLoss(Path(options.vgg), options.normalise).to(device) if options.vgg else None
        self.pool = ImagePool(options.pool)
        self._device = device
        self._looks = Looks(device)
        self._local_only = False
        betas = (options.beta1, 0.999)
        self._g = torch.optim.Adam(self.generator.parameters(), options.rate, betas=betas)
        self._d = torch.optim.Adam(self.discriminator.parameters(), options.rate, betas=betas)

    def modules(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generator": self._g, "discriminator": self._d}

    def extra(self) -> Mapping[str, Tensor]:
        return self.pool.state()

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        self.pool.load(tensors, self._device)

    def begin_average(self) -> None:
        """There is none: pix2pixHD keeps the last weights."""

    def begin(self, step: int, steps: int) -> None:
        options = self.options
        epochs = options.constant + options.decay
        factor = pix2pixhd(epoch_of(step, steps, epochs), options.constant, options.decay)
        for optimizer in (self._g, self._d):
            for group in optimizer.param_groups:
                group["lr"] = options.rate * factor
        freed = first_step_of(options.fix_global, steps, epochs)
        self._local_only = step < freed
        if options.fix_global and step == freed:
            self._g.state.clear()  # the reference makes a new Adam here, whose moments are 0

    def step(self, batch: Batch) -> dict[str, float]:
        """The generator first, then the discriminator, both judged by the weights before the step."""
        batch = warp_batch(batch, self.options.warp)
        if self.options.tone:
            batch = replace(batch, image=toned(batch.image, self.options.tone))
        self.generator.train()
        condition = torch.cat([batch.onehot, batch.edges], 1)
        made = self.generator(condition)
        condition, real, fake = self._seen(condition, batch.image, made)
        said_real = self.discriminator(torch.cat([condition, real], 1))
        losses = self._teach_generator(batch, made, self.discriminator(torch.cat([condition, fake], 1)), said_real)
        shown = self.pool.query(torch.cat([condition, fake.detach()], 1))
        losses |= self._teach_discriminator(said_real, self.discriminator(shown))
        return {name: float(value.detach()) for name, value in losses.items()}

    def _seen(self, condition: Tensor, real: Tensor, made: Tensor) -> tuple[Tensor, ...]:
        """Colours change in pictures alone, places in all three."""
        names = self.options.augment.split(",")
        real, made = diff_augment_together(real, made, policy=",".join(n for n in names if n == "color"))
        return diff_augment_together(condition, real, made, policy=",".join(n for n in names if n != "color"))

    def _teach_generator(
        self, batch: Batch, made: Tensor, said_fake: list[list[Tensor]], said_real: list[list[Tensor]]
    ) -> dict[str, Tensor]:
        options = self.options
        parts = {
            "G_GAN": lsgan_scales(said_fake, True),
            "G_GAN_Feat": feature_matching(said_fake, said_real) * options.features,
        }
        if self.vgg is not None:
            parts["G_VGG"] = self.vgg(made, batch.image) * options.perceptual
        self._g.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward(inputs=self._learning())  # type: ignore[no-untyped-call]
        self._g.step()
        return parts

    def _learning(self) -> list[nn.Parameter]:
        """A weight that gets no gradient is left out by Adam, moments and all."""
        start = "model1_" if self._local_only else ""
        return [w for name, w in self.generator.named_parameters() if w.requires_grad and name.startswith(start)]

    def _teach_discriminator(self, on_real: list[list[Tensor]], on_fake: list[list[Tensor]]) -> dict[str, Tensor]:
        parts = {"D_real": lsgan_scales(on_real, True), "D_fake": lsgan_scales(on_fake, False)}
        self._d.zero_grad(set_to_none=True)
        learning = [weight for weight in self.discriminator.parameters() if weight.requires_grad]
        ((parts["D_real"] + parts["D_fake"]) / 2).backward(inputs=learning)  # type: ignore[no-untyped-call]
        self._d.step()
        return parts

    def product(self) -> nn.Module:
        """The generator; it takes one-hot classes and edges."""
        return self.generator.eval()

    @torch.no_grad()
    def paint(self, batch: Batch) -> Tensor:
        """The whole picture, from the map alone."""
        made: Tensor = self.product()(torch.cat([batch.onehot, batch.edges], 1))
        return made

    def judge(self, batch: Batch) -> dict[str, float]:
        return self._looks.figures(batch, self.paint(batch))


def _architecture(options: PairedOptions, inputs: int) -> Architecture:
    return Architecture(
        kind="resnet" if options.generator == "global" else "local",
        inputs=inputs,
        width=options.ngf,
        down=options.n_down,
        blocks=options.n_blocks,
        bias=True,
        blocks_local=options.n_blocks_local,
    )


def _require_sense(options: PairedOptions) -> None:
    if options.generator not in _KINDS:
        raise CimgenError(f"there is no generator {options.generator!r}", hint=f"There are: {', '.join(_KINDS)}.")
    if options.fix_global and options.generator != "local":
        raise CimgenError("fix_global is of use to a local generator alone", hint='Set generator = "local".')
    if options.constant + options.decay < 1 or not 0 <= options.fix_global <= options.constant + options.decay:
        raise CimgenError("fix_global is longer than the run", hint="Epochs of the run are constant + decay.")
