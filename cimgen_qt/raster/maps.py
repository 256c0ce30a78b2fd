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
from cimgen_qt.raster.class_raster import open_class_raster
from cimgen_qt.raster.guard import plain_file
from cimgen_qt.raster.registration import measured_offset
from cimgen_qt.raster.shapes_in import vector_kind
from cimgen_qt.raster.values import load_table
from cimgen_qt.raster.vectors import VectorLayer

_VECTORS = (".gpkg", ".geojson", ".json", ".shp")
"""Names by which a damaged file is told to be no vector file, rather than no raster."""
WORTH_TELLING = 2.0
"""A shift of more pixels than this between map and image is told."""
_MOST_VALUES = 4096
"""Values without a class that are counted apart; the rarest others are counted together."""
_OTHERS = "others"


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
            if len(self._unmapped) > _MOST_VALUES:
                self._forget_rare()
            yield window, labels

    def report(self) -> MapReport:
        total = max(1, int(self._counts.sum()))
        empty = self._counts.any() and not self._counts[1:].any()
        shares = {self.palette.name_of(i): int(n) / total for i, n in enumerate(self._counts) if n}
        return MapReport(
            self.layer.kind,
            str(self.path),
            self._unmapped.total(),
            dict(self._unmapped.most_common(20)),
            shares,
            self.layer.misregistration,
            self.layer.resampled,
            (*self.layer.notes, *(["no pixel has a class"] if empty else [])),
        )

    def _forget_rare(self) -> None:
        kept = Counter(dict(self._unmapped.most_common(_MOST_VALUES // 2)))
        kept[_OTHERS] += self._unmapped.total() - kept.total()
        self._unmapped = kept

    def close(self) -> None:
        self.layer.close()

    def __enter__(self) -> MapSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_map(path: Path, grid: Grid, palette: Palette, photo: RasterReader, options: MapOptions) -> MapSource:
    """Open a class raster, a coloured raster or a vector file. Raises `MapError` or `RasterError`."""
    table = None if options.table is None else load_table(options.table, palette)
    layer = _open_layer(path, grid, palette, table, options)
    try:
        shift = measured_offset(grid, lambda window: layer.read(window, Counter()), photo)
    except BaseException:
        layer.close()
        raise
    if shift is not None and max(map(abs, shift)) > WORTH_TELLING:
        layer.misregistration = shift
        layer.notes.append(
            f"the map seems to be shifted against the image by {shift[0]:+.0f} rows and {shift[1]:+.0f} columns"
        )
    return MapSource(path, grid, palette, layer)


def _open_layer(
    path: Path, grid: Grid, palette: Palette, table: Mapping[str, int] | None, options: MapOptions
) -> Layer:
    """What a file is, its content says, not its name."""
    if vector_kind(plain_file(path)) is not None or path.suffix.lower() in _VECTORS:
        if options.tolerance is not None:
            raise MapError(f"{path.name} holds vectors, which have no colours", hint="Leave --tolerance out.")
        return VectorLayer(path, grid, palette, options.field, options.class_name, table, options.layer)
    if options.field or options.layer:
        raise MapError(f"{path.name} is a raster and has no fields", hint="Leave --field and --layer out.")
    return open_class_raster(path, grid, palette, table, options.tolerance, options.class_name)
