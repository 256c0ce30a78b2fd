"""Tiles of a dataset as training wants them: three bands of 8 bit, classes as channels."""

from __future__ import annotations

import numpy as np

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Pixels
from cimgen_qt.core.resample import nearest, shrink_or_grow
from cimgen_qt.datasets.store import Dataset
from cimgen_qt.training.crops import Tile, class_channels, to_channels


def read_tiles(dataset: Dataset, split: str, shrink: int = 1) -> Job[list[Tile]]:
    """All tiles of a split, in memory, at 1/`shrink` of their resolution.

    Raises CimgenError where photos have fewer than three bands or are not 8 bit.
    """
    ids = class_channels(dataset.palette)
    records, found = dataset.split(split), []
    if not records:
        raise CimgenError(f"the dataset {dataset.name} has no tiles to {split} on", hint="Make it with another split.")
    for number, record in enumerate(records):
        photo, labels = dataset.read(record)
        photo, channels = _three(photo, record.name), to_channels(labels, ids)
        if shrink > 1:
            size = max(1, labels.shape[0] // shrink), max(1, labels.shape[1] // shrink)
            photo, channels = shrink_or_grow(photo, *size), nearest(channels, *size)
        found.append(Tile(record.name, photo, channels))
        yield Progress(number + 1, len(records), f"reading tiles ({split})")
    return found


def _three(photo: Pixels, name: str) -> Pixels:
    if photo.ndim != 3 or photo.shape[2] < 3:
        raise CimgenError(f"the tile {name} has fewer than three bands", hint="Training wants red, green and blue.")
    if photo.dtype != np.uint8:
        raise CimgenError(f"the tile {name} is {photo.dtype}", hint="Make the dataset with 8-bit photos.")
    return np.ascontiguousarray(photo[..., :3])
