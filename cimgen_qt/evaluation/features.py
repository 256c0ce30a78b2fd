"""What a pre-trained network sees in a patch, as a row of numbers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.raster import Pixels

_BATCH = 32


class Eye(Protocol):
    """Sees patches as rows of numbers that distances of distributions are taken on."""

    @property
    def name(self) -> str:
        """How figures on these features have to be called."""
        ...

    def __call__(self, patches: Pixels) -> NDArray[np.float64]:
        """(n, d) for (n, height, width, 3) of 0..255."""
        ...


class EffNetFeatures:
    """320 features a patch: the deepest block of EfficientNet-Lite0 with ImageNet weights, averaged over the patch."""

    name = "EfficientNet-Lite0, block 15, mean: no FID and no KID, which are of Inception's features"

    def __init__(self) -> None:
        """Raises ModelError where torch or the weights are not installed."""
        try:
            from cimgen_qt.networks.backbone import frozen_backbone
        except ImportError as error:
            raise ModelError(
                "features need PyTorch, which is not installed", hint="pip install 'cimgen[train]'"
            ) from error
        self._network = frozen_backbone()

    def __call__(self, patches: Pixels) -> NDArray[np.float64]:
        """(n, 320) for (n, 64, 64, 3) of 0..255; patches are doubled in size: the network saw larger things."""
        import torch
        from torch.nn import functional

        found = []
        with torch.no_grad():
            for start in range(0, len(patches), _BATCH):
                part = torch.from_numpy(np.ascontiguousarray(patches[start : start + _BATCH].transpose(0, 3, 1, 2)))
                images = functional.interpolate(part.float() / 127.5 - 1, scale_factor=2.0, mode="bilinear")
                found.append(self._network(images).mean((2, 3)).double().numpy())
        return np.concatenate(found) if found else np.empty((0, 320))

    def gap(self, one: Pixels, other: Pixels) -> float:
        """Mean relative L1 distance of the features of five blocks: 0 for the same picture, near 1 for any other."""
        import torch

        with torch.no_grad():
            stacks = [
                self._network.features(
                    torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1)))[None].float() / 127.5 - 1
                )
                for p in (one, other)
            ]
        gaps = [(b - a).abs().mean() / (a.abs().mean() + 1e-6) for a, b in zip(*stacks, strict=True)]
        return float(torch.stack(gaps).mean())
