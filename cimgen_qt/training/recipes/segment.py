"""Learn to read the classes on the ground from a photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.networks.backbone import load_imagenet
from cimgen_qt.networks.segmenter import Segmenter
from cimgen_qt.training.average import Average
from cimgen_qt.training.batch import Batch
from cimgen_qt.training.machine import placed


@dataclass(frozen=True)
class SegmentOptions:
    """Learning rates at their highest, of the new layers and of the pre-trained ones."""

    rate: float = 2e-3
    backbone_rate: float = 4e-4
    weights: tuple[float, ...] = ()
    """How much each class counts; empty: all alike."""
    overlap: float = 0.5
    """Weight of the Dice loss beside the cross-entropy: small classes count by their shape."""
    decay: float = 1e-4
    average: float = 0.995
    tone: float = 0.2
    """How far brightness, contrast and the balance of colours are moved: other scenes have other light."""


class SegmentRecipe:
    """`modules`: generator is the segmenter, so that every recipe keeps its network under one name."""

    name = "segment"

    def __init__(self, options: SegmentOptions, classes: int, device: torch.device) -> None:
        self.options, self.classes = options, classes
        self.generator = Segmenter(classes)
        load_imagenet(self.generator.backbone)
        placed(self.generator, device).train()
        self.average = Average(self.generator, options.average)
        self._painter = deepcopy(self.generator).eval().requires_grad_(False)
        self._stale = True
        own = [p for name, p in self.generator.named_parameters() if not name.startswith("backbone.")]
        self._optimizer = torch.optim.AdamW(
            [{"params": own}, {"params": list(self.generator.backbone.parameters())}],
            options.rate,
            weight_decay=options.decay,
        )
        self._weights = torch.tensor(options.weights or (1.0,) * classes, device=device)

    def modules(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generator": self._optimizer}

    def extra(self) -> Mapping[str, Tensor]:
        return self.average.state()

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None:
        self.average.load(tensors)
        self._stale = True

    def begin_average(self) -> None:
        self.average = Average(self.generator, self.options.average)
        self._stale = True

    def begin(self, step: int, steps: int) -> None:
        """Up over a tenth of the run, then down along a cosine (Smith and Topin 2018)."""
        rise = max(1, steps // 10)
        factor = (
            (step + 1) / rise if step < rise else (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2
        )
        for group, rate in zip(
            self._optimizer.param_groups, (self.options.rate, self.options.backbone_rate), strict=True
        ):
            group["lr"] = rate * min(1.0, factor)

    def step(self, batch: Batch) -> dict[str, float]:
        logits = self.generator(toned(batch.image, self.options.tone)).float()
        entropy = functional.cross_entropy(logits, batch.labels, self._weights, ignore_index=-1)
        overlap = self._dice(logits.softmax(1), batch)
        loss = entropy + self.options.overlap * overlap
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.average.update(self.generator, batch.step)
        self._stale = True
        return {"entropy": float(entropy.detach()), "overlap": float(overlap.detach())}

    def _dice(self, shares: Tensor, batch: Batch) -> Tensor:
        """1 minus the Dice coefficient (Milletari et al. 2016), a mean over the classes that are there."""
        known = (batch.labels >= 0)[:, None]
        both = (shares * batch.onehot * known).sum((0, 2, 3))
        sizes = ((shares + batch.onehot) * known).sum((0, 2, 3))
        there = batch.onehot.sum((0, 2, 3)) > 0
        return 1 - (2 * both[there] / sizes[there].clamp_min(1)).mean() if there.any() else shares.sum() * 0

    def product(self) -> nn.Module:
        """The averaged segmenter; it gives logits."""
        if self._stale:
            self.average.copy_to(self._painter)
            self._stale = False
        return self._painter

    @torch.no_grad()
    def paint(self, batch: Batch) -> Tensor:
        """Classes as greys, evenly apart."""
        found: Tensor = self.product()(batch.image).argmax(1, keepdim=True).float() / max(1, self.classes - 1)
        return (found * 2 - 1).expand(-1, 3, -1, -1)

    @torch.no_grad()
    def judge(self, batch: Batch) -> dict[str, float]:
        """`held_out` is 1 minus the mean intersection over union of the classes that are there."""
        found = self.product()(batch.image).argmax(1)
        known = batch.labels >= 0
        losses = []
        for channel in range(self.classes):
            true, said = (batch.labels == channel) & known, (found == channel) & known
            if true.any():
                losses.append(1 - float((true & said).sum()) / float((true | said).sum()))
        return {
            "held_out": sum(losses) / max(1, len(losses)),
            "wrong": float((found != batch.labels)[known].float().mean()),
        }


def toned(images: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and balance of the colours moved by chance, within the range."""
    n, device = images.shape[0], images.device
    gain = 1 + strength * (2 * torch.rand(n, 1, 1, 1, device=device) - 1)
    tint = 1 + strength / 2 * (2 * torch.rand(n, 3, 1, 1, device=device) - 1)
    shift = strength * (2 * torch.rand(n, 1, 1, 1, device=device) - 1)
    return ((images * gain * tint) + shift).clamp(-1, 1)
