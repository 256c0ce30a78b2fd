"""Networks that torch exports as users' own are: with instance and group normalisation, and cards for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cimgen_qt.generators.cards import CardInput, CardOutput, ModelCard
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.to_onnx import export
from tests.generators.nets import sha256, written
from tests.generators.scenes import MemoryScene

CHANNELS = 7
"""Three classes, three bands, one mask."""
SIDE = 256
"""Of the scene."""


class Squeezed(nn.Module):
    """A convolution whose channels are weighed by their means over the whole tile (Hu et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.gate = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.first(x).relu()
        gate = torch.sigmoid(self.gate(nn.functional.adaptive_avg_pool2d(seen, 1)))
        made: Tensor = torch.tanh(self.last(seen * gate))
        return made


class Decomposed(nn.Module):
    """Instance normalisation written out."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.first(x)
        off = seen - seen.mean((2, 3), keepdim=True)
        spread = off.pow(2).mean((2, 3), keepdim=True)
        made: Tensor = torch.tanh(self.last((off / (spread + 1e-5).sqrt()).relu()))
        return made


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 8, 3, padding=1), nn.GroupNorm(4, 8), nn.SiLU(),
        nn.Conv2d(8, 16, 3, 2, 1), nn.GroupNorm(4, 16), nn.SiLU(),
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(16, 3, 3, padding=1), nn.Tanh(),
    )  # fmt: skip


def affine() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 8, 5, padding=2), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 3, 3, padding=1), nn.Tanh(),
    )  # fmt: skip


def resnet() -> nn.Module:
    return ResnetGenerator(CHANNELS, 3, ngf=4, n_down=2, n_blocks=2)


NETS: dict[str, tuple[Any, int, int]] = {
    "resnet": (resnet, 4, 28),
    "grouped": (grouped, 2, 8),
    "affine": (affine, 1, 3),
    "squeezed": (Squeezed, 1, 2),
    "decomposed": (Decomposed, 1, 2),
}
"""Each with its stride and its halo."""


def exported(kind: str) -> bytes:
    """The same bytes each time: weights large enough that what they make is not all grey."""
    torch.manual_seed(5)
    net = NETS[kind][0]().eval()
    with torch.no_grad():
        for name, weights in net.named_parameters():
            weights.normal_(0.0, 1.0 if weights.ndim == 1 else 1.5 / weights[0].numel() ** 0.5)
            if name.endswith("norm.weight"):
                weights.abs_()
    return export(net, {"x": torch.zeros(1, CHANNELS, 64, 64)}, ["y"])


def net_card(folder: Path, kind: str, **changes: Any) -> ModelCard:
    """A card of such a network, which lies in `folder` beside it."""
    (folder / "net.onnx").write_bytes(exported(kind))
    rgb = ("red", "green", "blue")
    values = {
        "name": kind,
        "file": "net.onnx",
        "sha256": sha256(folder / "net.onnx"),
        "inputs": (
            CardInput("labels-onehot", "x", 3),
            CardInput("masked-photo", "x", 3, range=(-1.0, 1.0), bands=rgb),
            CardInput("mask", "x", 1),
        ),
        "output": CardOutput("y", rgb, (-1.0, 1.0)),
        "tile": 64,
        "stride": NETS[kind][1],
        "halo": NETS[kind][2],
    }
    return written(folder, {**values, **changes})


def scene() -> MemoryScene:
    """Fields of 32 pixels, each with a tone and a grain of its own, and an edit."""
    random = np.random.default_rng(11)
    classes = np.kron(random.integers(1, 4, (SIDE // 32, SIDE // 32)), np.ones((32, 32))).astype(np.uint8)
    photo = (classes[..., None] * 50 + random.integers(0, 60, (SIDE, SIDE, 3))).astype(np.uint8)
    labels = classes.copy()
    labels[90:140, 100:160] = 2
    return MemoryScene(photo, classes, labels)
