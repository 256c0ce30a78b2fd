"""Take a class map in, whatever it comes as, cut along the chunks of the image's grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.proof import blocks
from cimgen_qt.core.raster import Labels, RasterReader
from cimgen_qt.raster.values import load_table

_VECTORS = (".gpkg", ".geojson", ".json", ".shp")


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How a map is to be understood; what is left out is found from the map itself."""

    field: str | None = None
    class_name: str | None = None
    table: Path | None = None
    layer: str | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class MapReport:
    """What became of a map. `misregistration` is in rows and columns of the image; None where none was measured."""

    kind: str
    path: str
    unmapped_pixels: int
    unmapped: Mapping[str, int]
    """Values (or colours) that no class stands for, and how many pixels have each; the 20 commonest."""
    shares: Mapping[str, float]
    misregistration: tuple[float, float] | None = None
    resampled: bool = False
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": Path(self.path).name}


class Layer(Protocol):
    """A map of one kind: classes of any window of the image's grid."""

    kind: str
    notes: list[str]
    misregistration: tuple[float, float] | None
    resampled: bool

    def read(self, window: Window, unmapped: Counter[str]) -> Labels: ...

    def close(self) -> None: ...


@dataclass
class MapSource:
    """Reads a map block by block; the report is whole when all blocks were read."""

    path: Path
    grid: Grid
    palette: Palette
    layer: Layer
    _unmapped: Counter[str] = field(default_factory=Counter)
    _counts: Any = field(default_factory=lambda: np.zeros(256, np.int64))

    def blocks(self) -> Iterator[tuple[Window, Labels]]:
        """Whole 256-pixel chunks, row by row."""
        for window in blocks(self.grid):
            labels = self.layer.read(window, self._unmapped)
            self._counts += np.bincount(labels.ravel(), minlength=256)
            yield window, labels

    def report(self) -> MapReport:
        total = max(1, int(self._counts.sum()))
        shares = {self.palette.name_of(i): int(n) / total for i, n in enumerate(self._counts) if n}
        return MapReport(
            self.layer.kind,
            str(self.path),
            self._unmapped.total(),
            dict(self._unmapped.most_common(20)),
            shares,
            self.layer.misregistration,
            self.layer.resampled,
            tuple(self.layer.notes),
        )

    def close(self) -> None:
        self.layer.close()

    def __enter__(self) -> MapSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_map(path: Path, grid: Grid, palette: Palette, photo: RasterReader, options: MapOptions) -> MapSource:
    """Open a class raster, a coloured raster or a vector file. Raises `MapError` or `RasterError`."""
    table = None if options.table is None else load_table(options.table, palette)
    if path.suffix.lower() in _VECTORS:
        from cimgen_qt.raster.vectors import VectorLayer

        layer: Layer = VectorLayer(path, grid, palette, options.field, options.class_name, table, options.layer)
    else:
        from cimgen_qt.raster.class_raster import open_class_raster

        if options.field or options.layer:
            raise MapError(f"{path.name} is a raster and has no fields", hint="Leave --field and --layer out.")
        layer = open_class_raster(path, grid, palette, photo, table, options.tolerance)
    return MapSource(path, grid, palette, layer)
