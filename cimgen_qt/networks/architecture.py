"""Which network it is, as a value that a card can hold without loading torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["resnet", "local", "unet", "patchgan", "pixelgan", "multiscale"]
"""The first three paint, the others judge."""
Norm = Literal["instance", "batch"]
NORMS: tuple[Norm, ...] = get_args(Norm)
PAINTERS: tuple[Literal["resnet", "local", "unet"], ...] = ("resnet", "local", "unet")
FEWEST_DOWNS = 5
"""Of a U-Net."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What `build.build` needs; fields that a kind has no use for keep their defaults.

    `width` is ngf, ndf or nef; `down` is n_downsampling, num_downs of a U-Net, n_layers of a judge.
    """

    kind: Kind
    inputs: int
    outputs: int = 3
    width: int = 64
    down: int = 2
    blocks: int = 9
    norm: Norm = "instance"
    bias: bool | None = None
    """Whether convolutions before a normalisation have one; None: under instance norm, not under batch norm."""
    dropout: bool = False
    local: int = 1
    """Enhancers around the global generator (`local`)."""
    blocks_local: int = 3
    scales: int = 2
    """Of a multiscale judge."""
    features: bool = True

    @property
    def stride(self) -> int:
        """Sides of an input are multiples of this (painters)."""
        return 1 << (self.down + (self.local if self.kind == "local" else 0))
