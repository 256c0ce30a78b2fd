"""Class maps as pictures: what networks that turn one picture into another take."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.networks.resnet import ResnetGenerator


def class_colours(classes: int, given: Sequence[Sequence[int]] = ()) -> Tensor:
    """(classes, 3) in [-1, 1]: the `given` colours (0 to 255), one a class, or else hues evenly apart.

    Raises CimgenError where there are more or fewer colours than classes.
    """
    if not given:
        return torch.tensor([colorsys.hsv_to_rgb(k / classes, 1.0, 1.0) for k in range(classes)]) * 2 - 1
    if len(given) != classes:
        raise CimgenError(
            f"there are {len(given)} colours for {classes} classes",
            hint="Give one for each class of the palette but unlabelled, in its order.",
        )
    return torch.tensor(given, dtype=torch.float32) / 127.5 - 1


def as_picture(onehot: Tensor, colours: Tensor) -> Tensor:
    """(n, classes, height, width) as (n, 3, height, width); ground of no class becomes middle grey."""
    return nn.functional.conv2d(onehot, colours.to(onehot).T[:, :, None, None])


class FromClasses(nn.Module):
    """A generator that takes pictures of maps, made to take one-hot classes; its weights keep their names."""

    def __init__(self, generator: ResnetGenerator, colours: Tensor) -> None:
        """Shares the weights of `generator`."""
        super().__init__()
        self.model = generator.model
        self.register_buffer("colours", colours, persistent=False)

    def forward(self, onehot: Tensor) -> Tensor:
        out: Tensor = self.model(as_picture(onehot, self.get_buffer("colours")))
        return out
