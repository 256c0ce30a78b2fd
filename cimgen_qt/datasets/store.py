"""A dataset is a folder: tiles of photo and classes, and a table that says where each came from."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Pixels
from cimgen_qt.core.toml import load_toml
from cimgen_qt.raster.rasterio_io import open_raster

FACTS, TABLE = "dataset.toml", "tiles.csv"


@dataclass(frozen=True, slots=True)
class TileRecord:
    name: str
    split: str
    scene: str
    row: int
    col: int
    height: int
    width: int
    image: str
    labels: str


@dataclass(frozen=True)
class Dataset:
    path: Path
    name: str
    palette: Palette
    metres_per_pixel: float | None
    tiles: tuple[TileRecord, ...]

    def split(self, name: str) -> tuple[TileRecord, ...]:
        return tuple(tile for tile in self.tiles if tile.split == name)

    def read(self, record: TileRecord) -> tuple[Pixels, Labels]:
        with open_raster(self.path / record.image) as photo, open_raster(self.path / record.labels) as labels:
            return photo.read(photo.info.grid.window), labels.read(labels.info.grid.window)[..., 0]

    def read_instances(self, record: TileRecord) -> NDArray[np.int32] | None:
        return None


def open_dataset(path: Path) -> Dataset:
    if not (path / FACTS).is_file():
        raise CimgenError(f"{path} is no dataset", hint="Make one with `cimgen dataset`.")
    facts = load_toml(path / FACTS)
    with (path / TABLE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {"row": int, "col": int, "height": int, "width": int}
    tiles = tuple(TileRecord(**{k: kinds.get(k, str)(r[k]) for k in TileRecord.__slots__}) for r in rows)
    palette = Palette.from_json({"name": facts["name"], "classes": facts["classes"]})
    return Dataset(path, str(facts["name"]), palette, facts.get("metres_per_pixel"), tiles)
