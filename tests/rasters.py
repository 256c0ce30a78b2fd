"""Small scenes for tests: a raster in memory that keeps the reader's protocol, and a project over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.project import Project
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.schema import Source

UTM33 = (
    'PROJCS["WGS 84 / UTM zone 33N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",15],PARAMETER["scale_factor",0.9996],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1],AUTHORITY["EPSG","32633"]]'
)


@dataclass
class MemoryReader:
    """Keeps the protocol of `RasterReader` over an array."""

    pixels: Pixels
    valid: Mask | None = None
    transform: tuple[float, float, float, float, float, float] = (0.5, 0.0, 458000.0, 0.0, -0.5, 5428000.0)
    crs: str | None = UTM33
    reads: list[Window] = field(default_factory=list)

    @property
    def info(self) -> RasterInfo:
        height, width, bands = self.pixels.shape
        return RasterInfo("memory", Grid(width, height, self.transform, self.crs), bands, self.pixels.dtype.name)

    def read(self, window: Window) -> Pixels:
        assert self.info.grid.window.contains(window), f"{window} reaches over the edge"
        self.reads.append(window)
        return self.pixels[window.slices()].copy()

    def read_valid(self, window: Window) -> Mask:
        return np.ones(window.shape, bool) if self.valid is None else self.valid[window.slices()].copy()

    def read_overview(self, window: Window, height: int, width: int) -> Pixels:
        rows = window.row + np.arange(height) * window.height // height
        cols = window.col + np.arange(width) * window.width // width
        return self.pixels[rows[:, None], cols]

    def close(self) -> None:
        return None


def noise(height: int = 600, width: int = 700, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> Pixels:
    """Random pixels over the whole range of an integer dtype, or 0 to 1000 for floats."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return (rng.random((height, width, bands)) * 1000).astype(np.float32)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, (height, width, bands), dtype, endpoint=True)


def nowhere() -> Source:
    return Source("/nowhere/image.tif", "image.tif", 0, 0, "sha256:0")


def project_over(path: Path, reader: MemoryReader, labels: Labels | None = None) -> Scene:
    """A new project at `path`; `labels` become its original map."""
    scene = Scene(Project.create(path, reader.info, DEFAULT_PALETTE, nowhere()), reader)
    if labels is not None:
        run_inline(scene.import_map(blocks_of(labels), {"source": "array"}))
    return scene


def blocks_of(labels: Labels) -> list[tuple[Window, Labels]]:
    """An array cut along chunks."""
    height, width = labels.shape
    windows = [Window(r, c, min(256, height - r), min(256, width - c)) for r in range(0, height, 256)
               for c in range(0, width, 256)]  # fmt: skip
    return [(window, labels[window.slices()]) for window in windows]
