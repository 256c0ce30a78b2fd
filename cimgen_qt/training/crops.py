"""Crops of a dataset in memory, drawn by seed and step alone, so that any step can be drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import UNLABELLED, Palette
from cimgen_qt.core.raster import Labels, Pixels
from cimgen_qt.datasets.holes import random_hole
from cimgen_qt.training.batch import Batch, make_batch

_SPOTS = 4000
"""Places a class that are remembered to draw crops round."""


@dataclass(frozen=True)
class Tile:
    """A photo of 8 bit and three bands with its classes as channels of the network, -1 where they have none."""

    name: str
    photo: Pixels
    channels: NDArray[np.int8]


@dataclass(frozen=True)
class CropOptions:
    """`whole` is the probability of a hole over the whole crop, `balanced` of a crop round a class drawn evenly."""

    side: int = 192
    whole: float = 0.35
    balanced: float = 0.7
    turn: bool = True
    """Whether crops are mirrored and turned: not where shadows have to fall one way."""


def class_channels(palette: Palette) -> tuple[int, ...]:
    """Ids of the classes in the order of their channels: all but unlabelled."""
    return tuple(c.id for c in palette if c.id != UNLABELLED)


def to_channels(labels: Labels, ids: Sequence[int]) -> NDArray[np.int8]:
    """Class ids as channels of the network; -1 for every other id."""
    table = np.full(256, -1, np.int8)
    table[list(ids)] = np.arange(len(ids))
    found: NDArray[np.int8] = table[labels]
    return found


class Crops:
    """Draws batches. Tiles smaller than a crop are refused."""

    def __init__(self, tiles: Sequence[Tile], classes: int, options: CropOptions, seed: int) -> None:
        """Raises CimgenError where there is no tile, or none that a crop fits into."""
        side = options.side
        self.tiles = [tile for tile in tiles if min(tile.channels.shape) >= side]
        if not self.tiles:
            raise CimgenError(
                f"no tile measures {side} x {side} pixels",
                hint="Make the dataset with larger tiles, or set `crop` smaller in the configuration.",
            )
        self.classes, self.options, self.seed = classes, options, seed
        self._spots = self._find_spots()

    def _find_spots(self) -> dict[int, NDArray[np.int32]]:
        """By class, places (tile, row, col), evenly many of each tile."""
        rng = np.random.default_rng([self.seed, 7])
        found: dict[int, list[NDArray[np.int32]]] = {}
        each = max(1, _SPOTS // len(self.tiles))
        for number, tile in enumerate(self.tiles):
            for channel in np.unique(tile.channels[tile.channels >= 0]):
                rows, cols = np.nonzero(tile.channels == channel)
                picked = rng.integers(len(rows), size=min(each, len(rows)))
                places = np.stack([np.full(len(picked), number), rows[picked], cols[picked]], 1).astype(np.int32)
                found.setdefault(int(channel), []).append(places)
        return {channel: np.concatenate(parts) for channel, parts in sorted(found.items())}

    def draw(self, step: int, count: int, rank: int = 0) -> Batch:
        """The batch of a step; `rank` is the number of the process where several learn together."""
        rng = np.random.default_rng([self.seed, step, rank])
        side, options = self.options.side, self.options
        photos, labels, masks = [], [], []
        for _ in range(count):
            photo, channels = self._crop(rng)
            if options.turn:
                quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
                photo, channels = np.rot90(photo, quarter), np.rot90(channels, quarter)
                if mirror:
                    photo, channels = photo[:, ::-1], channels[:, ::-1]
            photos.append(np.ascontiguousarray(photo.transpose(2, 0, 1)))
            labels.append(np.ascontiguousarray(channels))
            masks.append(random_hole((channels + 1).astype(np.uint8), rng, options.whole))
        noise = rng.standard_normal((count, 1, side, side), np.float32)
        return make_batch(
            torch.from_numpy(np.stack(photos)),
            torch.from_numpy(np.stack(labels).astype(np.int64)),
            torch.from_numpy(np.stack(masks)),
            torch.from_numpy(noise),
            self.classes,
            step,
        )

    def _crop(self, rng: np.random.Generator) -> tuple[Pixels, NDArray[np.int8]]:
        side = self.options.side
        if self._spots and rng.random() < self.options.balanced:
            places = self._spots[int(rng.choice(list(self._spots)))]
            number, row, col = (int(v) for v in places[rng.integers(len(places))])
            tile = self.tiles[number]
            row, col = row - int(rng.integers(side)), col - int(rng.integers(side))
        else:
            tile = self.tiles[int(rng.integers(len(self.tiles)))]
            row, col = (int(rng.integers(n - side + 1)) for n in tile.channels.shape)
        height, width = tile.channels.shape
        row, col = min(max(row, 0), height - side), min(max(col, 0), width - side)
        return tile.photo[row : row + side, col : col + side], tile.channels[row : row + side, col : col + side]


def held_out_batches(crops: Crops, count: int, each: int) -> Job[list[Batch]]:
    """The same batches at every look, from steps that no training reaches."""
    found = []
    for number in range(count):
        yield Progress(number, count, "reading held-out ground")
        found.append(crops.draw(2**31 + number, each))
    return found
