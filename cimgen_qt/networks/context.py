"""A generator that sees the surrounding pixels: classes, their edges, the photo outside the hole, the hole, and noise.

What colour a class has nearby is the strongest hint of what it should have in the hole, so it is averaged outright
(`class_colours`), set in with the map, and what the network makes is a departure from it. Every normalisation is over
the channels of one pixel, so what comes out at a pixel depends on its neighbourhood alone: tiles that see that
neighbourhood agree, and a small edit costs a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.core.errors import ModelError

STRIDE = 8
"""Windows begin at and measure multiples of this."""
_INSIDE = 0.96
"""Colours are kept off the ends of the range, where the inverse of tanh is not."""
NEAR, FAR = 11, 47
"""Sides of the squares in which colours of classes are averaged, in units of `STRIDE` pixels."""
_FAR_WEIGHT = 0.05
"""How much the large square counts beside the small one: it decides only where the small one has little to say."""
_SOME = 0.005
"""The share of the small square at which the colour of a class is half sure."""


@dataclass(frozen=True, slots=True)
class ContextShape:
    """`widths` are channels at 1, 1/2, 1/4 and 1/8 of the resolution; one residual block for each of `dilations`."""

    classes: int
    widths: tuple[int, int, int, int] = (32, 64, 128, 160)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    hidden: int = 32
    """Channels between the map and the scales and shifts that it sets (SPADE)."""

    @property
    def channels(self) -> int:
        """Of the input: one-hot classes, edges, red, green and blue outside the hole, the hole, one of noise."""
        return self.classes + 6


class ContextGenerator(nn.Module):
    """U-shaped, with noise at every scale and the map set in again on the way up (SPADE, Park et al. 2019).

    Takes (n, classes + 6, height, width), sides multiples of `STRIDE`: one-hot classes and edges as 0 or 1, the photo
    in [-1, 1] and 0 inside the hole, the hole as 0 or 1, standard normal noise. Gives (n, 3, height, width) in [-1, 1].
    """

    def __init__(self, shape: ContextShape) -> None:
        super().__init__()
        self.shape = shape
        full, half, quarter, eighth = shape.widths
        self.known = shape.classes + 1
        guide = self.known + 1 + 4
        self.stem = nn.Conv2d(shape.channels, full, 3, padding=1)
        self.down = nn.ModuleList(
            [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in ((full, half), (half, quarter), (quarter, eighth))]
        )
        self.trunk = nn.ModuleList([_Residual(eighth, d, STRIDE) for d in shape.dilations])
        self.up = nn.ModuleList(
            [
                _Up(eighth, quarter, quarter, guide, shape.hidden, 4),
                _Up(quarter, half, half, guide, shape.hidden, 2),
                _Up(half, full, full, guide, shape.hidden, 1),
            ]
        )
        self.out = nn.Conv2d(full, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        noise, hole = x[:, -1:], x[:, -2:-1]
        colours = class_colours(x[:, : self.shape.classes], x[:, self.known : self.known + 3], hole)
        guide = torch.cat([x[:, : self.known], hole, colours], 1)
        out = functional.leaky_relu(self.stem(x), 0.2)
        skips = []
        for conv in self.down:
            skips.append(out)
            out = functional.leaky_relu(_over_channels(conv(out)), 0.2)
        for block in self.trunk:
            out = block(out, noise)
        for up in self.up:
            out = up(out, skips.pop(), guide, noise)
        colour, sure = (_INSIDE * colours[:, :3]).clamp(-_INSIDE, _INSIDE), colours[:, 3:]
        level = (torch.log(1 + colour) - torch.log(1 - colour)) * 0.5 * sure  # the inverse of tanh, as ONNX knows it
        return torch.tanh(self.out(functional.leaky_relu(out, 0.2)) + level)


def class_colours(onehot: Tensor, photo: Tensor, hole: Tensor) -> Tensor:
    """(n, 4, height, width): for each pixel the mean colour that its class has outside the hole nearby, and how sure
    that is, from 0 to 1. Where the class is nowhere near, or a pixel has none, all four are 0.

    `photo` (n, 3, ...) is 0 in the hole.
    """
    classes = onehot.shape[1]
    seen = onehot * (1 - hole)
    counted = torch.cat([seen, *(seen * photo[:, band : band + 1] for band in range(3))], 1)
    folded = functional.avg_pool2d(counted, STRIDE)
    sums = _squares(folded, NEAR) + _FAR_WEIGHT * _squares(folded, FAR)
    amount = sums[:, :classes]
    coarse = [sums[:, band * classes : (band + 1) * classes] / (amount + 1e-6) for band in (1, 2, 3)]
    coarse.append(amount / (amount + _SOME))
    fine = functional.interpolate(
        torch.cat(coarse, 1), scale_factor=float(STRIDE), mode="bilinear", align_corners=False
    )
    return torch.cat([(part * onehot).sum(1, keepdim=True) for part in fine.chunk(4, 1)], 1)


def _squares(x: Tensor, side: int) -> Tensor:
    """Means over squares round each pixel; beyond the picture is 0."""
    across = functional.avg_pool2d(x, (1, side), stride=1, padding=(0, side // 2))
    return functional.avg_pool2d(across, (side, 1), stride=1, padding=(side // 2, 0))


def _over_channels(x: Tensor) -> Tensor:
    """Each pixel's vector brought to length 1 a channel (Karras et al. 2018): no statistics over the picture."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)


class _Noise(nn.Module):
    """Adds the noise of the ground, folded to the resolution of the features, by learned gains that begin small."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.mix = nn.Conv2d(scale * scale, channels, 1, bias=False)
        nn.init.normal_(self.mix.weight, std=0.1 / scale)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        out: Tensor = x + self.mix(functional.pixel_unshuffle(noise, self.scale) if self.scale > 1 else noise)
        return out


class _Residual(nn.Module):
    """Two convolutions, the first dilated, before them the activation (He et al. 2016)."""

    def __init__(self, channels: int, dilation: int, scale: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.noise = _Noise(channels, scale)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        out = self.first(functional.leaky_relu(_over_channels(x), 0.2))
        out = self.noise(out, noise)
        made: Tensor = x + self.second(functional.leaky_relu(_over_channels(out), 0.2))
        return made


class _Up(nn.Module):
    """Twice the resolution, the features of the way down joined in, scaled and shifted by the map."""

    def __init__(self, channels: int, skip: int, out: int, guide: int, hidden: int, scale: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(channels + skip, out, 3, padding=1)
        self.noise = _Noise(out, scale)
        self.look = nn.Conv2d(guide, hidden, 3, padding=1)
        self.modulate = nn.Conv2d(hidden, 2 * out, 3, padding=1)
        self.conv = nn.Conv2d(out, out, 3, padding=1)
        self.scale = scale

    def forward(self, x: Tensor, skip: Tensor, guide: Tensor, noise: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.noise(self.join(torch.cat([x, skip], 1)), noise)
        guide = guide if self.scale == 1 else functional.avg_pool2d(guide, self.scale)
        gain, shift = self.modulate(functional.relu(self.look(guide))).chunk(2, 1)
        x = functional.leaky_relu(_over_channels(x) * (1 + gain) + shift, 0.2)
        out: Tensor = x + self.conv(x)
        return out


def shape_of(weights: Mapping[str, Tensor], dilations: tuple[int, ...]) -> ContextShape:
    """The shape that a network's weights have; dilations leave no trace there. Raises ModelError for others."""
    try:
        full, channels = weights["stem.weight"].shape[:2]
        widths = (full, *(weights[f"down.{n}.weight"].shape[0] for n in range(3)))
        hidden = weights["up.0.look.weight"].shape[0]
        blocks = sum(1 for name in weights if name.startswith("trunk.") and name.endswith(".first.weight"))
    except KeyError as error:
        raise ModelError(
            f"this is no context-aware generator: it has no weight {error.args[0]}",
            hint="Take one that was made with the recipe context.",
        ) from error
    if blocks != len(dilations):
        raise ModelError(f"the network has {blocks} residual blocks, not {len(dilations)}", hint="Check its card.")
    return ContextShape(channels - 6, (full, widths[1], widths[2], widths[3]), dilations, hidden)


def reach(shape: ContextShape) -> int:
    """Pixels on each side that a pixel of the output may depend on, rounded up to whole strides."""
    down = 1 + 2 * (1 + 2 + 4)
    trunk = sum(dilation + 1 for dilation in shape.dilations) * STRIDE
    up = 2 * (4 + 2 + 1) + 1
    colours = (FAR // 2 + 2) * STRIDE  # the squares, the bilinear step, and the place within a cell
    guide = 4 - 1 + 3 * 4 + 2 * 2 + 2 * 1 + 1  # pooled to a quarter, looked at, set in, brought up
    return -(-max(down + trunk + up, colours + guide) // STRIDE) * STRIDE
