"""Which network it is, as a value that a card can hold without loading torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import nn

Kind = Literal["resnet", "local", "unet", "patchgan", "pixelgan", "multiscale"]
"""The first three paint, the others judge."""
KINDS: tuple[str, ...] = get_args(Kind)
PAINTERS = ("resnet", "local", "unet")


@dataclass(frozen=True, slots=True)
class Architecture:
    """What `build` needs; fields that a kind has no use for keep their defaults.

    `width` is ngf, ndf or nef; `down` is n_downsampling, num_downs of a U-Net, n_layers of a judge.
    """

    kind: Kind
    inputs: int
    outputs: int = 3
    width: int = 64
    down: int = 2
    blocks: int = 9
    norm: Literal["instance", "batch"] = "instance"
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

    def build(self) -> nn.Module:
        """With weights as torch draws them."""
        from cimgen_qt.networks.local_enhancer import LocalEnhancer
        from cimgen_qt.networks.patchgan import MultiscaleDiscriminator, PatchGAN, PixelGAN
        from cimgen_qt.networks.resnet import ResnetGenerator
        from cimgen_qt.networks.unet import UNetGenerator

        ends, norm = (self.inputs, self.outputs), self.norm
        if self.kind == "resnet":
            return ResnetGenerator(*ends, self.width, self.down, self.blocks, norm, self.dropout, self.bias)
        if self.kind == "local":
            return LocalEnhancer(*ends, self.width, self.down, self.blocks, self.local, self.blocks_local, norm)
        if self.kind == "unet":
            return UNetGenerator(*ends, self.down, self.width, norm, self.dropout)
        if self.kind == "multiscale":
            return MultiscaleDiscriminator(self.inputs, self.width, self.down, self.scales, norm, self.features)
        if self.kind == "patchgan":
            return PatchGAN(self.inputs, self.width, self.down, norm)
        return PixelGAN(self.inputs, self.width, norm)
