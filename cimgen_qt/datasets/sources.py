"""Where tiles come from: photos with their maps, in pairs of files or in an open project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo, RasterReader
from cimgen_qt.raster.maps import Layer, MapOptions, open_map
from cimgen_qt.raster.rasterio_io import open_raster

IMAGES = (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".vrt", ".jp2", ".img")
MAPS = (*IMAGES, ".gpkg", ".geojson", ".json", ".shp")


class Ground(Protocol):
    """A photo and its original map, read by window. `core.snapshot.Snapshot` is one."""

    @property
    def grid(self) -> Grid: ...

    @property
    def info(self) -> RasterInfo: ...

    def read_photo(self, window: Window) -> Pixels: ...

    def read_valid(self, window: Window) -> Mask: ...

    def read_map(self, window: Window) -> Labels: ...


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo and the file that holds its classes: a class raster, a coloured map or vectors."""

    scene: str
    image: Path
    map: Path


def pairs_in(images: Path, maps: Path) -> list[Pair]:
    """Files of two folders that go together by name (without ending), or one file and its map.

    Raises CimgenError where nothing goes together.
    """
    if images.is_file():
        return [Pair(images.stem, images, maps)]
    if not images.is_dir() or not maps.is_dir():
        raise CimgenError(f"{images if not images.is_dir() else maps} is no folder", hint="Check the path.")
    by_stem = {path.stem: path for path in sorted(maps.iterdir()) if path.suffix.lower() in MAPS}
    found = [
        Pair(path.stem, path, by_stem[path.stem])
        for path in sorted(images.iterdir())
        if path.suffix.lower() in IMAGES and path.stem in by_stem
    ]
    if not found:
        raise CimgenError(
            f"no picture in {images.name} has a map of the same name in {maps.name}",
            hint="Pairs go together by name: a/7.jpg and b/7.png.",
        )
    return found


@dataclass(frozen=True)
class PairGround:
    """A pair that is open; `unmapped` counts values of the map that stand for no class."""

    reader: RasterReader
    layer: Layer
    unmapped: Counter[str] = field(default_factory=Counter)

    @property
    def grid(self) -> Grid:
        return self.reader.info.grid

    @property
    def info(self) -> RasterInfo:
        return self.reader.info

    def read_photo(self, window: Window) -> Pixels:
        return self.reader.read(window)

    def read_valid(self, window: Window) -> Mask:
        return self.reader.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        return self.layer.read(window, self.unmapped)


@contextmanager
def opened(pair: Pair, palette: Palette, options: MapOptions) -> Iterator[PairGround]:
    """A pair as ground. Raises RasterError and MapError as their readers do."""
    with open_raster(pair.image) as reader, open_map(pair.map, reader.info.grid, palette, reader, options) as source:
        yield PairGround(reader, source.layer)


def windows(grid: Grid, side: int, smallest: int) -> Sequence[Window]:
    """Squares of `side` from the first pixel on; what is left at the far edges counts if `smallest` fits into it."""
    found = []
    for row in range(0, grid.height, side):
        for col in range(0, grid.width, side):
            window = Window(row, col, side, side).intersect(grid.window)
            if min(window.shape) >= smallest:
                found.append(window)
    return found
