"""pix2pixHD's feature encoder: what each object of a photo looks like, in a few numbers a generator can be given."""

from __future__ import annotations

import torch
from torch import Tensor

from cimgen_qt.networks.architecture import Norm
from cimgen_qt.networks.resnet import ResnetGenerator


class FeatureEncoder(ResnetGenerator):
    """Wang et al. 2018, section 3.4: the generator without residual blocks, then one mean for each instance."""

    def __init__(
        self, inputs: int = 3, outputs: int = 3, nef: int = 16, n_down: int = 4, norm: Norm = "instance"
    ) -> None:
        super().__init__(inputs, outputs, nef, n_down, 0, norm, bias=True)

    def encode(self, x: Tensor, instances: Tensor) -> Tensor:
        """`instances` is (n, height, width) of integers; all pixels of an instance of one picture get the same."""
        features: Tensor = self.model(x)
        flat = features.flatten(2)
        out = torch.empty_like(flat)
        for picture, ids in enumerate(instances.flatten(1)):
            names, places = ids.unique(return_inverse=True)
            sums = flat.new_zeros(flat.shape[1], len(names)).index_add_(1, places, flat[picture])
            out[picture] = (sums / places.bincount(minlength=len(names)))[:, places]
        return out.view_as(features)
