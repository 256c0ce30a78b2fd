"""Learn to fill holes from the map and the pixels round them: the context-aware generator.

Hinge losses of heads on a frozen network and of a small judge of pixels give texture; a perceptual distance gives
structure; colour is held over 8 x 8 pixels only, so that texture is left to the judges. A share of the holes covers the
whole crop, so one network serves a map alone too.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.networks.backbone import STAGES, frozen_backbone
from cimgen_qt.networks.context import ContextGenerator, ContextShape
from cimgen_qt.networks.judges import FeatureHeads, PixelJudge
from cimgen_qt.training.augment import diff_augment_together
from cimgen_qt.training.average import Average
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.losses import hinge_discriminator, hinge_generator
from cimgen_qt.training.machine import placed
from cimgen_qt.training.schedules import late

_JUDGED = (0, 2, 4, 10)


@dataclass(frozen=True)
class ContextOptions:
    """Weights of the losses, learning rates and the shape of the network."""

    widths: tuple[int, int, int, int] = (32, 64, 128, 160)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    hidden: int = 32
    adversarial: float = 1.0
    perceptual: float = 2.0
    colour: float = 5.0
    known: float = 0.25
    rate: float = 3e-4
    judge_rate: float = 4e-4
    decay_from: float = 0.6
    """Share of the run after which learning rates fall linearly to 0."""
    average: float = 0.995


class ContextRecipe:
    """`modules`: generator, heads, pixel; the frozen network that looks is not kept."""

    name = "context"

    def __init__(
        self, options: ContextOptions, classes: int, device: torch.device, generator: ContextGenerator | None = None
    ) -> None:
        """`generator`: one that exists already, of which only what asks for a gradient learns."""
        self.options = options
        shape = ContextShape(classes, options.widths, options.dilations, options.hidden)
        self.generator = placed(ContextGenerator(shape) if generator is None else generator, device)
        self.heads = placed(FeatureHeads(classes + 2, _JUDGED), device)
        self.pixel = placed(PixelJudge(classes + 2), device)
        self.eye = placed(frozen_backbone(), device)
        self.average = Average(self.generator, options.average)
        self._painter = deepcopy(self.generator).eval().requires_grad_(False)
        self._stale = True
        learns = [weight for weight in self.generator.parameters() if weight.requires_grad]
        self._g = torch.optim.Adam(learns, options.rate, betas=(0.0, 0.99))
        judges = [*self.heads.parameters(), *self.pixel.parameters()]
        self._d = torch.optim.Adam(judges, options.judge_rate, betas=(0.0, 0.99))

    def modules(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "heads": self.heads, "pixel": self.pixel}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generator": self._g, "judges": self._d}

    def extra(self) -> Mapping[str, Tensor]:
        return self.average.state()

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        self.average.load(tensors)
        self._stale = True

    def begin_average(self) -> None:
        self.average = Average(self.generator, self.options.average)
        self._stale = True

    def begin(self, step: int, steps: int) -> None:
        factor = late(step, steps, self.options.decay_from)
        for optimizer, rate in ((self._g, self.options.rate), (self._d, self.options.judge_rate)):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def step(self, batch: Batch) -> dict[str, float]:
        made = self.generator(batch.context)
        composite = made * batch.mask + batch.image * (1 - batch.mask)
        real_seen, fake_seen = diff_augment_together(batch.image, composite, policy="color")
        with torch.no_grad():
            real = self.eye.features(real_seen)
        fake = self.eye.features(fake_seen)
        judged = self._teach_judges(batch, real, [f.detach() for f in fake], real_seen, fake_seen.detach())
        return judged | self._teach_generator(batch, made, composite, real, fake, fake_seen)

    def _verdicts(self, batch: Batch, features: list[Tensor], seen: Tensor) -> list[Tensor]:
        looked = [found for found, stage in zip(features, STAGES, strict=True) if stage in _JUDGED]
        return [*self.heads(looked, batch.condition), self.pixel(seen, batch.condition)]

    def _teach_judges(
        self, batch: Batch, real: list[Tensor], fake: list[Tensor], seen: Tensor, made: Tensor
    ) -> dict[str, float]:
        on_real, on_fake = self._verdicts(batch, real, seen), self._verdicts(batch, fake, made)
        loss = torch.stack(
            [hinge_discriminator(r.float(), f.float(), _cover(batch, r)) for r, f in zip(on_real, on_fake, strict=True)]
        )
        self._d.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self._d.step()
        return {"judges": float(loss.mean().detach())}

    def _teach_generator(
        self, batch: Batch, made: Tensor, composite: Tensor, real: list[Tensor], fake: list[Tensor], seen: Tensor
    ) -> dict[str, float]:
        options = self.options
        for module in (self.heads, self.pixel):
            module.requires_grad_(False)
        verdicts = self._verdicts(batch, fake, seen)
        parts = {
            "adversarial": torch.stack([hinge_generator(v.float(), _cover(batch, v)) for v in verdicts]).mean(),
            "perceptual": perceptual_gap(real, fake),
            "colour": colour_gap(batch, composite),
            "known": ((made - batch.image).abs() * (1 - batch.mask)).mean(),
        }
        loss = sum(parts[name] * getattr(options, name) for name in parts)
        self._g.zero_grad(set_to_none=True)
        loss.backward()
        self._g.step()
        for module in (self.heads, self.pixel):
            module.requires_grad_(True)
        self.average.update(self.generator, batch.step)
        self._stale = True
        return {name: float(value.detach()) for name, value in parts.items()}

    def product(self) -> nn.Module:
        """The averaged generator."""
        if self._stale:
            self.average.copy_to(self._painter)
            self._stale = False
        return self._painter

    @torch.no_grad()
    def paint(self, batch: Batch) -> Tensor:
        made: Tensor = self.product()(batch.context)
        return made * batch.mask + batch.image * (1 - batch.mask)

    @torch.no_grad()
    def judge(self, batch: Batch) -> dict[str, float]:
        """`held_out` is the perceptual distance in pictures whose holes were filled, and that of their colours."""
        painted = self.paint(batch)
        gap = float(perceptual_gap(self.eye.features(batch.image), self.eye.features(painted)))
        colour = float(colour_gap(batch, painted))
        return {"held_out": gap + colour, "perceptual": gap, "colour": colour}


def _cover(batch: Batch, like: Tensor) -> Tensor:
    """Share of each patch that was made."""
    return functional.adaptive_avg_pool2d(batch.mask, (like.shape[2], like.shape[3]))


def perceptual_gap(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Mean over the stages of the L1 distance of features, relative to how large the real ones are."""
    gaps = [
        (f.float() - r.float()).abs().mean() / (r.float().abs().mean() + 1e-6) for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(gaps).mean()


def colour_gap(batch: Batch, made: Tensor) -> Tensor:
    """Mean L1 distance in the hole of colours averaged over 8 x 8 pixels, in units of half the range."""
    off = functional.avg_pool2d((made - batch.image) * batch.mask, 8)
    cover = functional.avg_pool2d(batch.mask, 8)
    return off.abs().mean() / cover.mean().clamp_min(1e-3)
