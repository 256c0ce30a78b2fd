"""Make the network that an architecture names."""

from __future__ import annotations

from torch import nn

from cimgen_qt.networks.architecture import Architecture
from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.patchgan import MultiscaleDiscriminator, PatchGAN, PixelGAN
from cimgen_qt.networks.resnet import ResnetGenerator
from cimgen_qt.networks.unet import UNetGenerator


def build(a: Architecture) -> nn.Module:
    """With weights as torch draws them."""
    match a.kind:
        case "resnet":
            return ResnetGenerator(a.inputs, a.outputs, a.width, a.down, a.blocks, a.norm, a.dropout, a.bias)
        case "local":
            return LocalEnhancer(a.inputs, a.outputs, a.width, a.down, a.blocks, a.local, a.blocks_local, a.norm)
        case "unet":
            return UNetGenerator(a.inputs, a.outputs, a.down, a.width, a.norm, a.dropout)
        case "multiscale":
            return MultiscaleDiscriminator(a.inputs, a.width, a.down, a.scales, a.norm, a.features)
        case "patchgan":
            return PatchGAN(a.inputs, a.width, a.down, a.norm)
        case "pixelgan":
            return PixelGAN(a.inputs, a.width, a.norm)
