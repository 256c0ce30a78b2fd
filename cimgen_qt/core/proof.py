"""Show by hashes that no pixel outside the change is another one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.chunks import CHUNK
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Mask, Pixels

METHOD = (
    "SHA-256 of each band: 256 x 256 pixel blocks row by row, in each the pixels in question row by row, little-endian"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """Hashes per band. `outside` is all that is the photo's own (origin 0), `changed` all the rest."""

    outside: tuple[str, ...]
    changed: tuple[str, ...]
    outside_pixels: int
    changed_pixels: int


@dataclass
class Hasher:
    """Feeds blocks, which must come row by row, into one hash a band."""

    bands: int
    outside: list[Any] = field(init=False)
    changed: list[Any] = field(init=False)
    outside_pixels: int = 0
    changed_pixels: int = 0

    def __post_init__(self) -> None:
        self.outside = [hashlib.sha256() for _ in range(self.bands)]
        self.changed = [hashlib.sha256() for _ in range(self.bands)]

    def feed(self, pixels: Pixels, changed: Mask) -> None:
        some = bool(changed.any())
        for band in range(self.bands):
            plane = np.ascontiguousarray(pixels[..., band])
            self.outside[band].update(_bytes(plane[~changed] if some else plane))
            if some:
                self.changed[band].update(_bytes(plane[changed]))
        count = int(changed.sum())
        self.changed_pixels += count
        self.outside_pixels += changed.size - count

    def proof(self) -> Proof:
        return Proof(
            tuple(h.hexdigest() for h in self.outside),
            tuple(h.hexdigest() for h in self.changed),
            self.outside_pixels,
            self.changed_pixels,
        )


def prove(
    grid: Grid, bands: int, read: Callable[[Window], Pixels], changed: Callable[[Window], Mask], text: str
) -> Job[Proof]:
    """Hash the whole raster, block by block."""
    hasher = Hasher(bands)
    windows = list(blocks(grid))
    for done, window in enumerate(windows, start=1):
        hasher.feed(read(window), changed(window))
        yield Progress(done, len(windows), text)
    return hasher.proof()


def plane_hash(grid: Grid, read: Callable[[Window], NDArray[np.uint8]]) -> str:
    """SHA-256 of a plane of small numbers, in the same order."""
    digest = hashlib.sha256()
    for window in blocks(grid):
        digest.update(np.ascontiguousarray(read(window)).tobytes())
    return digest.hexdigest()


def blocks(grid: Grid) -> Iterator[Window]:
    """256-pixel blocks row by row."""
    for row in range(0, grid.height, CHUNK):
        for col in range(0, grid.width, CHUNK):
            yield Window(row, col, CHUNK, CHUNK).intersect(grid.window)


def _bytes(plane: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(plane, plane.dtype.newbyteorder("<")).tobytes()
