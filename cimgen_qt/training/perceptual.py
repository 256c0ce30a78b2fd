"""The perceptual loss of pix2pixHD and SPADE: distances of VGG19 features (Johnson et al. 2016).

Its weights are not ours to ship: the user names a file, such as torchvision's vgg19-dcbb9e9d.pth.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.core.errors import ModelError
from cimgen_qt.networks.weights_file import read_tensors
from cimgen_qt.training.losses import full

_WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
"""Channels of the convolutions up to conv5_1, each with a rectifier after it; 0 halves the resolution."""
_ENDS = (1, 6, 11, 20, 29)
"""Layers relu1_1, 2_1, 3_1, 4_1 and 5_1, numbered as in torchvision."""
_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, for photos from 0 to 1."""


class PerceptualLoss(nn.Module):
    """L1 distances of features weighted 1/32, 1/16, 1/8, 1/4 and 1; no gradient reaches the real picture.

    Both reference repositories feed pictures in [-1, 1] as they are; `normalise` feeds them as VGG19 was trained.
    """

    def __init__(self, weights: Path | None, normalise: bool = False) -> None:
        """None: weights as torch draws them. Raises ModelError if the file does not hold a VGG19."""
        super().__init__()
        self.normalise = normalise
        self.features = nn.Sequential(*_layers())
        if weights is not None:
            self._fill(weights)
        self.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def _fill(self, path: Path) -> None:
        found = read_tensors(path)
        wanted = self.features.state_dict()
        given = {name: found.get(f"features.{name}", found.get(name)) for name in wanted}
        wrong = [name for name, value in given.items() if value is None or value.shape != wanted[name].shape]
        if wrong:
            raise ModelError(
                f"{path.name} holds no VGG19: features.{wrong[0]} is missing or of another shape",
                hint="torchvision's vgg19-dcbb9e9d.pth is wanted.",
            )
        self.features.load_state_dict(given)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """(n, 3, height, width) in [-1, 1]; sides of 16 pixels at least."""
        with torch.no_grad():
            true = self._features(real)
        pairs = zip(_WEIGHTS, self._features(made), true, strict=True)
        return torch.stack([weight * functional.l1_loss(full(m), full(t)) for weight, m, t in pairs]).sum()

    def _features(self, x: Tensor) -> list[Tensor]:
        if self.normalise:
            x = ((x + 1) / 2 - self.get_buffer("mean")) / self.get_buffer("std")
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in _ENDS:
                found.append(x)
        return found


def _layers() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for width in _WIDTHS:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    return layers
