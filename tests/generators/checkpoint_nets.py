"""Small networks of PyTorch's as checkpoints, and cards for them, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cimgen_qt.generators.cards import CardInput, CardOutput, ModelCard
from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.build import build
from cimgen_qt.networks.initial import initialise
from tests.generators.nets import sha256, written

torch.set_num_threads(1)

SMALL = Architecture("resnet", 4, 3, 4, down=2, blocks=1)
"""Three classes and edges in; looks 20 pixels far."""
RGB = ("red", "green", "blue")


def contrasting(architecture: Architecture) -> nn.Module:
    """Weights wide enough that the picture has contrast."""
    module = build(architecture).eval()
    initialise(module, "cyclegan", torch.Generator().manual_seed(5))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3.0)
    return module


def torch_card(folder: Path, architecture: Architecture = SMALL, file: str = "net.pth", **changes: Any) -> ModelCard:
    """A card that says no more than it has to, with its weights beside it, read back from its file."""
    weights = folder / file
    if not weights.exists():
        torch.save(contrasting(architecture).state_dict(), weights)
    return written(
        folder,
        {
            "name": "small",
            "file": file,
            "sha256": sha256(weights),
            "inputs": (CardInput("labels-onehot", "x", 3), CardInput("edges", "x", 1)),
            "output": CardOutput("y", RGB, (-1.0, 1.0)),
            "tile": 64,
            "stride": architecture.stride,
            "halo": 24,
            **changes,
        },
    )
