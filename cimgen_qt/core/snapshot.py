"""A frozen view of a project at one act: what generators, exports and windows read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.chunks import Key, chunk_keys, chunk_window
from cimgen_qt.core.gpkg import polygons_of
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.project import Act, Project
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo, RasterReader
from cimgen_qt.core.schema import CHANGE_COLUMNS

ADAPTER = "adapter"
"""The attachment that adapts a model to the scene."""
LABEL_LAYERS = ("map", "labels")
"""The newer of the two holds: a map that is imported later hides earlier strokes."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One accepted proposal. `revision` is the act whose labels it was made from."""

    act: int
    revision: int
    model: Mapping[str, Any]
    seed: int
    blend: Mapping[str, Any]
    scope: str
    time: str
    warnings: tuple[str, ...] = ()
    areas: str = ""
    """The areas that were made, packed."""

    @classmethod
    def of(cls, act: Act) -> Generation:
        """Read the act that accepted it."""
        data = act.data
        facts = (data["revision"], data["model"], data["seed"], data["blend"], data["scope"])
        return cls(act.id, *facts, act.time, tuple(data.get("warnings", ())), data.get("areas", ""))


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One row of the change table; `polygons` have rings of map coordinates (x, y), the outer ring first."""

    act: int
    kind: str
    class_from: str
    class_to: str
    pixels: int
    area_m2: float | None
    model: str | None
    seed: int | None
    time: str
    polygons: list[list[list[tuple[float, float]]]]


@dataclass(frozen=True)
class Snapshot:
    """The scene at `revision`. Reads only; share it between threads only if the reader allows it."""

    project: Project
    reader: RasterReader
    revision: int

    @property
    def grid(self) -> Grid:
        return self.project.grid

    @property
    def info(self) -> RasterInfo:
        return self.reader.info

    @property
    def palette(self) -> Palette:
        return self.project.palette

    def at(self, revision: int) -> Snapshot:
        """The same scene at another act."""
        return Snapshot(self.project, self.reader, revision)

    def read_photo(self, window: Window) -> Pixels:
        """The original photo."""
        return self.reader.read(window)

    def read_valid(self, window: Window) -> Mask:
        return self.reader.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        """The original classes."""
        return self._read(("map",), window, np.uint8)

    def read_labels(self, window: Window) -> Labels:
        """The edited classes."""
        return self._read(LABEL_LAYERS, window, np.uint8)

    def read_origin(self, window: Window) -> NDArray[np.uint8]:
        """0 photo, 1 generated, 2 blended."""
        return self._read(("origin",), window, np.uint8)

    def read_made(self, window: Window) -> Labels:
        """The class that a generated pixel was made for; means nothing where `read_maker` is 0."""
        return self._read(("made",), window, np.uint8)

    def read_maker(self, window: Window) -> NDArray[np.int32]:
        """Number of the act that made a pixel, 0 for the photo's own."""
        return self._read(("maker",), window, np.int32)

    def read_pixels(self, window: Window) -> Pixels:
        """The photo with what was accepted laid over it."""
        pixels: Pixels | None = None
        for key, part in _parts(window, self.grid):
            chunk = self.project.read_chunk(("pixels",), key, self.revision)
            if chunk is not None:
                if pixels is None:
                    pixels = np.array(self.read_photo(window))
                pixels[part.slices(window)] = chunk[part.slices(chunk_window(key, self.grid))]
        return self.read_photo(window) if pixels is None else pixels

    def pixel_blocks(self) -> list[Window]:
        """Chunks whose pixels may differ from the photo; all others are the photo's."""
        keys = self.project.keys(("origin",), self.revision)
        made = (key for key in keys if self.project.read_chunk(("origin",), key, self.revision) is not None)
        return [chunk_window(key, self.grid) for key in made]

    @cached_property
    def generations(self) -> tuple[Generation, ...]:
        """Accepted proposals, the oldest first, whether any pixel of them is left or not."""
        return tuple(
            Generation.of(act) for act in self.project.acts() if act.kind == "generate" and act.id <= self.revision
        )

    def adapter(self, digest: str = "") -> bytes | None:
        """What adapts a model to this scene: the one of this SHA-256, whenever it was made, or the one in force."""
        if not digest:
            return self.project.attachment(ADAPTER, self.revision)
        versions = self.project.attachments(ADAPTER)
        return next((data for data in versions if hashlib.sha256(data).hexdigest() == digest), None)

    def changes(self) -> list[ChangeRecord]:
        """Rows of the change table up to this act."""
        rows = [dict(zip(CHANGE_COLUMNS, row, strict=True)) for row in self.project.change_rows(self.revision)]
        wanted = [f for f in ChangeRecord.__dataclass_fields__ if f != "polygons"]
        return [ChangeRecord(**{k: row[k] for k in wanted}, polygons=polygons_of(row["geom"])) for row in rows]

    def _read(self, layers: tuple[str, ...], window: Window, dtype: Any) -> NDArray[Any]:
        out = np.zeros(window.shape, dtype)
        for key, part in _parts(window, self.grid):
            chunk = self.project.read_chunk(layers, key, self.revision)
            if chunk is not None:
                out[part.slices(window)] = chunk[part.slices(chunk_window(key, self.grid))]
        return out


def _parts(window: Window, grid: Grid) -> Iterator[tuple[Key, Window]]:
    inside = window.intersect(grid.window)
    for key in chunk_keys(inside):
        yield key, chunk_window(key, grid).intersect(inside)
