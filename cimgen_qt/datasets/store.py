"""A dataset is a folder: tiles of photo and classes, and a table that says where each came from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.durable_folder import stage_folder
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Grid
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Pixels
from cimgen_qt.core.toml import load_toml
from cimgen_qt.raster.rasterio_io import open_raster

FACTS, TABLE, REMOVED, CONTACT = "dataset.toml", "tiles.csv", "removed.csv", "contact.png"
SPLITS = ("train", "validation", "test")
FORMAT = 1
_IMAGES, _LABELS, _INSTANCES = "images", "labels", "instances"


@dataclass(frozen=True, slots=True)
class TileRecord:
    """Where a tile lies in its scene, in pixels, and its files below the dataset's folder."""

    name: str
    split: str
    scene: str
    row: int
    col: int
    height: int
    width: int
    image: str
    labels: str
    instances: str = ""


@dataclass(frozen=True)
class Dataset:
    """An opened dataset; `palette` gives the classes that its labels hold."""

    path: Path
    name: str
    palette: Palette
    metres_per_pixel: float | None
    tiles: tuple[TileRecord, ...]

    def split(self, name: str) -> tuple[TileRecord, ...]:
        """Tiles of "train", "validation" or "test"."""
        return tuple(tile for tile in self.tiles if tile.split == name)

    def read(self, record: TileRecord) -> tuple[Pixels, Labels]:
        """Photo (height, width, bands) and class ids (height, width). Raises CimgenError where they do not fit."""
        photo, labels = self._read(record.image), self._read(record.labels)[..., 0].astype(np.uint8)
        if photo.shape[:2] != labels.shape:
            raise CimgenError(
                f"photo and classes of the tile {record.name} differ in size", hint="Make the dataset anew."
            )
        return photo, labels

    def read_instances(self, record: TileRecord) -> NDArray[np.int32] | None:
        """Numbers of objects (height, width), 0 for none; None where the dataset has no such maps."""
        return self._read(record.instances)[..., 0].astype(np.int32) if record.instances else None

    def _read(self, name: str) -> Pixels:
        path = self.path / name
        if self.path.resolve() not in path.resolve().parents:
            raise CimgenError(f"{name} lies outside the dataset", hint="Is tiles.csv the one that came with it?")
        with open_raster(path) as reader:
            return reader.read(reader.info.grid.window)


def open_dataset(path: Path) -> Dataset:
    """Raises CimgenError where it is none, of a newer format, or its table is damaged."""
    if not (path / FACTS).is_file() or not (path / TABLE).is_file():
        raise CimgenError(f"{path} is no dataset", hint="Make one with `cimgen dataset`.")
    facts = load_toml(path / FACTS)
    if facts.get("format") != FORMAT:
        raise CimgenError(f"{path} is a dataset of format {facts.get('format')}", hint=f"This program knows {FORMAT}.")
    metres = facts.get("metres_per_pixel")
    try:
        palette = Palette.from_json({"name": facts["name"], "classes": facts["classes"]})
        with (path / TABLE).open(newline="", encoding="utf-8") as file:
            tiles = tuple(_record(row) for row in csv.DictReader(file))
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise CimgenError(f"the dataset {path} is damaged: {error}", hint="Make it anew.") from error
    return Dataset(path, str(facts["name"]), palette, None if metres is None else float(metres), tiles)


def _record(row: Mapping[str, str]) -> TileRecord:
    if row["split"] not in SPLITS:
        raise ValueError(f"there is no split {row['split']!r}")
    numbers = {name: int(row[name]) for name in ("row", "col", "height", "width")}
    texts = {name: row[name] for name in ("name", "split", "scene", "image", "labels")}
    return TileRecord(**texts, **numbers, instances=row.get("instances") or "")  # type: ignore[arg-type]


class DatasetWriter:
    """Builds a dataset beside its place; `commit` sets it there, leaving without it leaves nothing."""

    def __init__(self, target: Path) -> None:
        """Raises ExportError where something is at the target already, or its folder cannot be written."""
        self._folder = stage_folder(target)
        for name in (_IMAGES, _LABELS):
            (self._folder.path / name).mkdir()
        self._records: list[tuple[TileRecord, Sequence[float]]] = []

    def add(
        self, name: str, split: str, scene: str, place: tuple[int, int], photo: Pixels, labels: Labels, grid: Grid,
        shares: Sequence[float], instances: NDArray[np.int32] | None = None,
    ) -> None:  # fmt: skip
        """One tile: PNG where that holds it and it has no position, else GeoTIFF with its `grid`."""
        plain = photo.dtype == np.uint8 and photo.shape[2] in (1, 3, 4) and not grid.is_georeferenced
        ending = ".png" if plain else ".tif"
        record = TileRecord(
            name, split, scene, place[0], place[1], labels.shape[0], labels.shape[1], f"{_IMAGES}/{name}{ending}",
            f"{_LABELS}/{name}{ending}", "" if instances is None else f"{_INSTANCES}/{name}.tif",
        )  # fmt: skip
        self._write(record.image, photo, grid)
        self._write(record.labels, labels[..., None], grid)
        if instances is not None:
            (self._folder.path / _INSTANCES).mkdir(exist_ok=True)
            self._write(record.instances, np.minimum(instances, 65535).astype(np.uint16)[..., None], grid)
        self._records.append((record, shares))

    def _write(self, name: str, pixels: NDArray[Any], grid: Grid) -> None:
        from cimgen_qt.raster.write_tile import write_tile

        write_tile(self._folder.path / name, pixels, grid)

    def add_file(self, name: str, data: bytes) -> None:
        """One that is no tile, such as the list of what was removed."""
        self._folder.fill(name, data)

    def commit(self, name: str, palette: Palette, metres: float | None, recipe: Mapping[str, Any]) -> None:
        """Write table and facts, and set the folder in place."""
        text = io.StringIO()
        known = [field.name for field in fields(TileRecord)]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*known, *(f"share {c.name}" for c in palette)])
        for record, shares in self._records:
            writer.writerow([*(getattr(record, field) for field in known), *(f"{share:.4f}" for share in shares)])
        self.add_file(TABLE, text.getvalue().encode())
        self.add_file(FACTS, _facts(name, palette, metres, recipe).encode())
        self._folder.commit()

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.__exit__(kind, error, trace)


def _facts(name: str, palette: Palette, metres: float | None, recipe: Mapping[str, Any]) -> str:
    lines = [f"format = {FORMAT}", f"name = {json.dumps(name)}"]
    if metres is not None:
        lines.append(f"metres_per_pixel = {metres!r}")
    lines.append("\n[recipe]")
    lines += [f"{key} = {json.dumps(value)}" for key, value in recipe.items() if value is not None]
    for known in palette:
        lines.append("\n[[classes]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in asdict(known).items() if value is not None]
    return "\n".join(lines) + "\n"
