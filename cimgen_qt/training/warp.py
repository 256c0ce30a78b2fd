"""Bend whole samples, photo, classes and hole alike, so that one pair of them shows many shapes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from cimgen_qt.training.batch import Batch, class_edges

_POINTS = 3
"""Control points a side (Vinker et al. 2021)."""
_REACH = 0.1
"""Largest displacement of a control point, as a share of a side."""


def warp_batch(batch: Batch, share: float, reach: float = _REACH) -> Batch:
    """Bend each sample, with probability `share`, by thin-plate splines over 3 x 3 points moved by chance.

    Photos are interpolated, classes and holes take the nearest pixel; one-hot classes and edges follow from those.
    """
    if not share:
        return batch
    n = batch.image.shape[0]
    moved = (torch.rand(n, _POINTS**2, 2) * 2 - 1) * 2 * reach
    moved = moved * (torch.rand(n, 1, 1) < share)
    grid = tps_grid(moved, batch.image.shape[2], batch.image.shape[3]).to(batch.image.device)
    labels = _sampled(batch.labels[:, None].float(), grid, "nearest")[:, 0].round().to(batch.labels.dtype)
    return _relabelled(
        batch, labels, image=_sampled(batch.image, grid, "bilinear"), mask=_sampled(batch.mask, grid, "nearest")
    )


def tps_grid(moved: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel takes its value, (n, height, width, 2) as x, y in [-1, 1]; a thin-plate spline (Bookstein 1989).

    It goes through control points on an even grid over the picture, displaced by `moved` (n, points, 2), x first.
    """
    side = round(moved.shape[1] ** 0.5)
    points = _places(side, side)
    count = len(points)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    affine = torch.cat([torch.ones(count, 1, dtype=torch.float64), points], 1)
    system[:count, :count] = _bend(points, points)
    system[:count, count:], system[count:, :count] = affine, affine.T
    wanted = torch.zeros(moved.shape[0], count + 3, 2, dtype=torch.float64)
    wanted[:, :count] = points + moved.double().cpu()
    weights = torch.linalg.solve(system, wanted)
    pixels = _places(height, width)
    basis = torch.cat([_bend(pixels, points), torch.ones(len(pixels), 1, dtype=torch.float64), pixels], 1)
    found: Tensor = (basis @ weights).view(-1, height, width, 2).float()
    return found


def _places(rows: int, cols: int) -> Tensor:
    """(rows * cols, 2): x, y from -1 to 1 at the centres of the outermost pixels."""
    down = torch.linspace(-1, 1, rows, dtype=torch.float64)
    across = torch.linspace(-1, 1, cols, dtype=torch.float64)
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def _bend(places: Tensor, points: Tensor) -> Tensor:
    squared = (places[:, None] - points[None]).square().sum(2)
    return squared * squared.clamp_min(1e-12).log()


def _sampled(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(values, grid.to(values.dtype), mode, "reflection", align_corners=True)


def _relabelled(batch: Batch, labels: Tensor, image: Tensor, mask: Tensor) -> Batch:
    classes = torch.arange(batch.onehot.shape[1], device=labels.device)
    onehot = (labels[:, None] == classes[None, :, None, None]).to(batch.onehot.dtype)
    return replace(batch, image=image, labels=labels, onehot=onehot, edges=class_edges(labels), mask=mask)
