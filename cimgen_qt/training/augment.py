"""Changes to what a discriminator sees that leave a gradient through (DiffAugment, Zhao et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cimgen_qt.core.errors import CimgenError

POLICIES = ("color", "translation", "cutout")
_MOVED = 0.125
"""Largest translation, as a share of a side."""
_CUT = 0.5
"""Side of the square that is cut out, as a share of the picture's."""


def diff_augment(images: Tensor, policy: str = "color,translation") -> Tensor:
    """A draw for each picture of a batch."""
    return diff_augment_together(images, policy=policy)[0]


def diff_augment_together(*images: Tensor, policy: str = "color") -> tuple[Tensor, ...]:
    """The same draw for all, of torch's global generators: (n, 3, height, width) in [-1, 1], of equal shapes.

    `policy` names any of POLICIES between commas, done in the order of that list; empty: nothing. Colours may leave
    the range. Raises CimgenError for another name.
    """
    found = list(images)
    wanted = {name for name in policy.split(",") if name}
    strange = sorted(wanted.difference(POLICIES))
    if strange:
        raise CimgenError(f"there is no augmentation {strange[0]!r}", hint=f"There are: {', '.join(POLICIES)}.")
    if "color" in wanted:
        found = _coloured(found)
    if "translation" in wanted:
        found = _moved(found)
    if "cutout" in wanted:
        found = _cut(found)
    return tuple(found)


def _coloured(images: list[Tensor]) -> list[Tensor]:
    n, device = images[0].shape[0], images[0].device
    bright, vivid, contrast = (torch.rand(n, 1, 1, 1, device=device) for _ in range(3))
    made = []
    for image in images:
        x = image + (bright - 0.5)
        grey = x.mean(1, keepdim=True)
        coloured = (x - grey) * (vivid * 2) + grey
        middle = coloured.mean((1, 2, 3), keepdim=True)
        made.append((coloured - middle) * (contrast + 0.5) + middle)
    return made


def _moved(images: list[Tensor]) -> list[Tensor]:
    """Zeros come in at the rim. Drawn on the CPU and cut by slices: the way back is the same on every run."""
    n, _, height, width = images[0].shape
    down, right = int(height * _MOVED + 0.5), int(width * _MOVED + 0.5)
    rows = torch.randint(2 * down + 1, (n,)).tolist()
    cols = torch.randint(2 * right + 1, (n,)).tolist()
    made = []
    for image in images:
        wide = functional.pad(image, (right, right, down, down))
        cuts = [wide[k, :, rows[k] : rows[k] + height, cols[k] : cols[k] + width] for k in range(n)]
        made.append(torch.stack(cuts))
    return made


def _cut(images: list[Tensor]) -> list[Tensor]:
    """A square of zeros whose middle may lie anywhere, so that less of it shows at the rim."""
    n, _, height, width = images[0].shape
    tall, wide = int(height * _CUT + 0.5), int(width * _CUT + 0.5)
    rows = torch.randint(height + (1 - tall % 2), (n,)).tolist()
    cols = torch.randint(width + (1 - wide % 2), (n,)).tolist()
    keep = torch.ones(n, 1, height, width, dtype=images[0].dtype)
    for k in range(n):
        top, left = rows[k] - tall // 2, cols[k] - wide // 2
        keep[k, :, max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + wide, 0)] = 0
    keep = keep.to(images[0].device)
    return [image * keep for image in images]
