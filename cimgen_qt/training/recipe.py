"""What the loop asks of a way to learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from cimgen_qt.training.batch import Batch


class Recipe(Protocol):
    """Networks, their optimisers and one step of learning.

    All chance in a step comes from the generators of torch and of `random`, which the loop sets from seed and step
    before each; so nothing but the tensors below has to be kept to go on exactly where a run was broken off.
    """

    @property
    def name(self) -> str: ...

    def modules(self) -> Mapping[str, nn.Module]:
        """Everything whose weights a checkpoint keeps; `generator` is what the run is for."""
        ...

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]: ...

    def extra(self) -> Mapping[str, Tensor]:
        """Other state that going on needs: averages, pools of images."""
        ...

    def load_extra(self, tensors: Mapping[str, Tensor]) -> None: ...

    def begin_average(self) -> None:
        """Averages begin anew from the weights as they are: other ones were loaded."""
        ...

    def begin(self, step: int, steps: int) -> None:
        """Set learning rates and what is frozen, from the number of the step alone."""
        ...

    def step(self, batch: Batch) -> dict[str, float]:
        """One update of everything; the losses by name."""
        ...

    def paint(self, batch: Batch) -> Tensor:
        """(n, 3, height, width) in [-1, 1], as the finished network would: for sample grids and for judging."""
        ...

    def judge(self, batch: Batch) -> dict[str, float]:
        """Figures on held-out ground, each lower where better; the one named `held_out` decides when to stop."""
        ...

    def product(self) -> nn.Module:
        """The network to be kept, exported and shipped: averaged weights where there are any."""
        ...
