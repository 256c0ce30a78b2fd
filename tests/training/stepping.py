"""Small batches, and runs of a recipe as the loop drives it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from cimgen_qt.training.batch import Batch, make_batch
from cimgen_qt.training.loop import settle
from cimgen_qt.training.recipe import Recipe
from cimgen_qt.training.state import load_state, save_state

torch.set_num_threads(1)
CPU = torch.device("cpu")
CLASSES = 3


def batch_of(step: int = 0, n: int = 1, side: int = 32) -> Batch:
    """Squares of classes, each with a colour and a grain of its own, and some ground of no class."""
    source = torch.Generator().manual_seed(step)
    blocks = torch.randint(-1, CLASSES, (n, side // 8, side // 8), generator=source)
    labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    colours = torch.tensor([[90, 90, 90], [200, 60, 50], [190, 180, 150], [40, 70, 120]])
    photo = colours[labels + 1].permute(0, 3, 1, 2) + torch.randint(0, 40, (n, 3, side, side), generator=source)
    mask = torch.zeros(n, side, side, dtype=torch.bool)
    mask[:, 8:24, 8:24] = True
    return make_batch(photo.to(torch.uint8), labels, mask, torch.zeros(n, 1, side, side), CLASSES, step)


def fresh(make: Callable[[], Recipe], seed: int = 1) -> Recipe:
    settle(seed, -1, 0)
    return make()


def advance(recipe: Recipe, begin: int, end: int, steps: int) -> list[dict[str, float]]:
    """Steps `begin` to `end` of a run of `steps`."""
    found = []
    for step in range(begin, end):
        settle(1, step, 0)
        recipe.begin(step, steps)
        found.append(recipe.step(batch_of(step)))
    return found


def everything(recipe: Recipe) -> dict[str, Tensor]:
    """Copies of all weights and of what else is kept."""
    weights = {f"{name}.{key}": v for name, m in recipe.modules().items() for key, v in m.state_dict().items()}
    moments = {
        f"{name}.{number}.{key}": v
        for name, optimizer in recipe.optimizers().items()
        for number, values in optimizer.state_dict()["state"].items()
        for key, v in values.items()
    }
    return {name: v.clone() for name, v in (weights | moments | dict(recipe.extra())).items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def resumed_is_uninterrupted(make: Callable[[], Recipe], stop: int, steps: int, folder: Path) -> bool:
    """Whether saving after `stop` steps, loading into a fresh recipe and going on changes nothing, bit by bit."""
    whole = fresh(make)
    curve = advance(whole, 0, stop, steps)
    save_state(folder / "state.safetensors", whole, {})
    curve = advance(whole, stop, steps, steps)
    again = fresh(make, seed=2)
    again.begin(stop, steps)
    load_state(folder / "state.safetensors", again)
    return advance(again, stop, steps, steps) == curve and same(everything(whole), everything(again))


def gradient_is_true(module: nn.Module, channels: int, side: int = 32) -> bool:
    """Whether what reaches the first weight of `module`, as it lies in memory, is the slope of its output there."""
    module.double()
    x, pull = (torch.randn(1, count, side, side, dtype=torch.float64) for count in (channels, 1))
    weight = next(module.parameters())
    weight.grad = None

    def height() -> Tensor:
        out = module(x)
        while not isinstance(out, Tensor):
            out = out[-1]
        return (out * pull[..., : out.shape[2], : out.shape[3]]).sum()

    height().backward(inputs=[weight])
    place, step = (0,) * weight.ndim, 1e-7
    slope = weight.grad[place]
    with torch.no_grad():
        weight[place] += step
        above = height()
        weight[place] -= 2 * step
        below = height()
    return bool(torch.isclose((above - below) / (2 * step), slope, rtol=1e-3))
