"""pix2pixHD's local enhancer: a global generator at half the resolution, and finer ones around it."""

from __future__ import annotations

from torch import Tensor, nn

from cimgen_qt.networks.architecture import Norm
from cimgen_qt.networks.norm import normalise
from cimgen_qt.networks.resnet import ResBlock, body, head, stem, twice


class LocalEnhancer(nn.Module):
    """Wang et al. 2018, section 3.1; keys `model.N` (global), `model1_1.N`, `model1_2.N` (first enhancer), and so on.

    `ngf` is the width at full resolution, so the global generator has ngf * 2**n_local. Sides of the input are
    multiples of 2**(n_down + n_local).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 3,
        ngf: int = 32,
        n_down: int = 4,
        n_blocks: int = 9,
        n_local: int = 1,
        n_blocks_local: int = 3,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.n_local = n_local
        self.model = nn.Sequential(*body(inputs, ngf << n_local, n_down, n_blocks, norm, bias=True))
        for level in range(1, n_local + 1):
            width = ngf << (n_local - level)
            down = [*stem(inputs, width, norm, True), *_halve(width, norm)]
            blocks = [ResBlock(2 * width, norm, bias=True) for _ in range(n_blocks_local)]
            last = head(width, outputs) if level == n_local else []
            self.add_module(f"model{level}_1", nn.Sequential(*down))
            self.add_module(f"model{level}_2", nn.Sequential(*blocks, *twice(2 * width, norm, True), *last))
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        sizes = [x]
        for _ in range(self.n_local):
            sizes.append(self.downsample(sizes[-1]))
        out: Tensor = self.model(sizes.pop())
        for level in range(1, self.n_local + 1):
            seen = self.get_submodule(f"model{level}_1")(sizes.pop())
            out = self.get_submodule(f"model{level}_2")(seen + out)
        return out

    def enhancers(self) -> list[nn.Module]:
        """What the first epochs of the second stage train alone, while the global generator stays as it was."""
        return [self.get_submodule(f"model{self.n_local}_{part}") for part in (1, 2)]


def _halve(width: int, norm: Norm) -> list[nn.Module]:
    return [nn.Conv2d(width, 2 * width, 3, 2, 1), normalise(2 * width, norm), nn.ReLU(True)]
