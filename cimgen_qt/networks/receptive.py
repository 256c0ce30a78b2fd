"""How far a network looks: what a tile must show around what is kept of it, and where tiles may begin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from torch import nn

from cimgen_qt.networks.local_enhancer import LocalEnhancer
from cimgen_qt.networks.patchgan import PatchGAN, PixelGAN
from cimgen_qt.networks.resnet import ResBlock, ResnetGenerator
from cimgen_qt.networks.unet import UNetBlock, UNetGenerator

_FAR = 1 << 20
"""A pixel of the output far from every rim, and a multiple of every stride there is."""

Span = tuple[int, int]
"""First and last index along one side."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a pixel of the output depends on, as long as no rim is near and normalisation uses constants."""

    field: int
    """Pixels across that one pixel of the output may depend on at most: the receptive field."""
    before: int
    after: int
    """Pixels beside its own, towards the first and the last row or column, that a pixel of the output depends on.

    Its own is the one at the same place; of a discriminator the one at `stride` times its index.
    """
    stride: int
    """Shifted by this many pixels, the input gives the same output, shifted."""

    @property
    def halo(self) -> int:
        """Pixels on every side that a tile needs, in whole strides."""
        return -(-max(self.before, self.after) // self.stride) * self.stride


def reach(module: nn.Module) -> Reach:
    """Exact, by following intervals of indices back through the layers; rows and columns are alike in all of them.

    Raises TypeError for a layer that is not known.
    """
    down, up = _factors(module)
    wanted = [(place * down // up, span(module, (place, place))) for place in range(_FAR, _FAR + up)]
    return Reach(
        field=max(last - first + 1 for _, (first, last) in wanted),
        before=max(own - first for own, (first, _) in wanted),
        after=max(last - own for own, (_, last) in wanted),
        stride=down,
    )


@singledispatch
def span(module: nn.Module, wanted: Span) -> Span:
    """The indices of the input that indices of the output depend on."""
    raise TypeError(f"how far {type(module).__name__} looks is not known")


@span.register(nn.Identity)
@span.register(nn.ReLU)
@span.register(nn.LeakyReLU)
@span.register(nn.Tanh)
@span.register(nn.Sigmoid)
@span.register(nn.Dropout)
@span.register(nn.BatchNorm2d)
@span.register(nn.InstanceNorm2d)
def _same(_: nn.Module, wanted: Span) -> Span:
    return wanted


@span.register
def _conv(module: nn.Conv2d, wanted: Span) -> Span:
    return _window(wanted, module.kernel_size[0], module.stride[0], int(module.padding[0]), module.dilation[0])


@span.register
def _pool(module: nn.AvgPool2d, wanted: Span) -> Span:
    return _window(wanted, _one(module.kernel_size), _one(module.stride), _one(module.padding), 1)


@span.register
def _transposed(module: nn.ConvTranspose2d, wanted: Span) -> Span:
    kernel, stride, padding = module.kernel_size[0], module.stride[0], int(module.padding[0])
    first, last = wanted
    return -(-(first + padding - (kernel - 1)) // stride), (last + padding) // stride


@span.register
def _mirrored(module: nn.ReflectionPad2d, wanted: Span) -> Span:
    return wanted[0] - module.padding[0], wanted[1] - module.padding[0]


@span.register
def _one_after_another(module: nn.Sequential, wanted: Span) -> Span:
    for part in reversed(module):
        wanted = span(part, wanted)
    return wanted


@span.register
def _resblock(module: ResBlock, wanted: Span) -> Span:
    return _union(wanted, span(module.conv_block, wanted))


@span.register
def _unet_block(module: UNetBlock, wanted: Span) -> Span:
    inner = span(module.model, wanted)
    return inner if module.outermost else _union(wanted, inner)


@span.register(ResnetGenerator)
@span.register(PatchGAN)
@span.register(UNetGenerator)
def _wrapped(module: ResnetGenerator | PatchGAN | UNetGenerator, wanted: Span) -> Span:
    return span(module.model, wanted)


@span.register
def _pixelgan(module: PixelGAN, wanted: Span) -> Span:
    return span(module.net, wanted)


@span.register
def _local(module: LocalEnhancer, wanted: Span) -> Span:
    seen: list[Span] = []
    for level in range(module.n_local, 0, -1):
        wanted = span(module.get_submodule(f"model{level}_2"), wanted)
        seen.append(span(module.get_submodule(f"model{level}_1"), wanted))
    wanted = span(module.model, wanted)
    for finer in reversed(seen):
        wanted = _union(span(module.downsample, wanted), finer)
    return wanted


def _window(wanted: Span, kernel: int, stride: int, padding: int, dilation: int) -> Span:
    return wanted[0] * stride - padding, wanted[1] * stride - padding + (kernel - 1) * dilation


def _union(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


def _one(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else size[0]


def _factors(module: nn.Module) -> tuple[int, int]:
    """By how much the resolution falls along the deepest way, and how much of that it rises again."""
    down = 1 << (module.n_local if isinstance(module, LocalEnhancer) else 0)
    up = 1
    for part in (module.model if isinstance(module, LocalEnhancer) else module).modules():
        if isinstance(part, nn.Conv2d):
            down *= part.stride[0]
        elif isinstance(part, nn.ConvTranspose2d):
            up *= part.stride[0]
    return down, down if up > 1 else 1
