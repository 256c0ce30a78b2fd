"""From sources to a dataset: cut, judge, find copies, split, write; every tile left out is listed with its reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import DEFAULT_PALETTE, Palette
from cimgen_qt.core.raster import Labels
from cimgen_qt.datasets.curation import Fault, fault_of, luminance, sharpness
from cimgen_qt.datasets.duplicates import Thumbnail, find_copies, thumbnail, to_remove
from cimgen_qt.datasets.request import DatasetRequest
from cimgen_qt.datasets.sheet import Shown, draw, small
from cimgen_qt.datasets.sources import Ground, Pair, opened, pairs_in, windows
from cimgen_qt.datasets.split import GAP, SplitRule, split_blocks, split_of_scene
from cimgen_qt.datasets.store import CONTACT, REMOVED, DatasetWriter
from cimgen_qt.raster.maps import MapOptions
from cimgen_qt.raster.palettes import open_palette
from cimgen_qt.raster.values import load_table

_PATHS = ("out", "images", "maps", "project", "palette", "table")
FEW_TILES = 40
"""With fewer to learn from, training from nothing rarely comes to anything."""


@dataclass
class _Tile:
    scene: int
    window: Window
    split: str
    fault: Fault | None
    small: Thumbnail
    picture: NDArray[np.uint8]
    sharp: float
    name: str


def make_dataset(
    request: DatasetRequest, project: Ground | None = None, palette: Palette | None = None
) -> Job[dict[str, Any]]:
    """Write the dataset `request` asks for; `project` and its palette where it asks for one of an open project.

    Nothing stands at its place until all is written. Raises CimgenError for sources that do not fit.
    """
    sources = _Sources(request, project, palette)
    rule = SplitRule(request.test, request.validation, request.held_out, request.block)
    tiles: list[_Tile] = []
    with DatasetWriter(Path(request.out)) as writer:
        for number, name in enumerate(sources.names):
            yield Progress(number, 2 * len(sources.names), f"looking at {name}")
            with sources.open(number) as ground:
                tiles += _looked_at(number, name, ground, request, rule, sources.palette)
        if request.duplicates:
            yield Progress(len(sources.names), 2 * len(sources.names), "looking for copies")
            _drop_copies(tiles)
        counts: Counter[str] = Counter()
        shares = np.zeros(256)
        metres = None
        for number, name in enumerate(sources.names):
            with sources.open(number) as ground:
                metres = metres or ground.grid.metres_per_pixel
                for tile in (t for t in tiles if t.scene == number and t.fault is None):
                    labels = ground.read_map(tile.window)
                    found = np.bincount(labels.ravel(), minlength=256) / labels.size
                    shares += found
                    counts[tile.split] += 1
                    writer.add(
                        tile.name, tile.split, name, (tile.window.row, tile.window.col), ground.read_photo(tile.window),
                        labels, _part(ground.grid, tile.window), [found[c.id] for c in sources.palette],
                        _instances(labels) if request.instances else None,
                    )  # fmt: skip
            yield Progress(len(sources.names) + number + 1, 2 * len(sources.names), f"writing {name}")
        if not counts:
            raise CimgenError(
                "no tile is left", hint=f"Reasons: {_reasons(tiles)}. Loosen the limits, or make tiles smaller."
            )
        writer.add_file(REMOVED, _removed(tiles).encode())
        writer.add_file(
            CONTACT, draw([Shown(t.picture, t.fault.reason if t.fault else t.split, t.fault is None) for t in tiles])
        )
        title = request.name or Path(request.out).name
        recipe = {
            k: v
            for k, v in asdict(request).items()
            if k not in ("out", "images", "maps", "project", "palette", "table")
        }
        writer.commit(title, sources.palette, metres, recipe)
    total = max(1.0, shares.sum())
    facts = {
        "dataset": request.out, "tiles": dict(counts), "removed": _reason_counts(tiles),
        "shares": {c.name: float(shares[c.id] / total) for c in sources.palette if shares[c.id]},
        "unmapped": dict(sources.unmapped.most_common(20)), "metres_per_pixel": metres,
    }  # fmt: skip
    return facts | {"notes": _notes(counts, sources)}


class _Sources:
    """Scenes by number; each is opened when it is needed and closed again."""

    def __init__(self, request: DatasetRequest, project: Ground | None, palette: Palette | None) -> None:
        self.unmapped: Counter[str] = Counter()
        self._project, self._pairs = project, list[Pair]()
        if project is not None:
            self.palette, self.names = palette or DEFAULT_PALETTE, [Path(project.info.path).stem]
            return
        if request.images is None or request.maps is None:
            raise CimgenError("no photos and maps were named", hint="Name folders or files, or a project.")
        self.palette = DEFAULT_PALETTE if request.palette is None else open_palette(Path(request.palette))
        self._pairs = pairs_in(Path(request.images), Path(request.maps))
        self.names = [pair.scene for pair in self._pairs]
        table = None if request.table is None else Path(request.table)
        if table is not None:
            load_table(table, self.palette)  # a fault in it is told before long work
        self._options = MapOptions(request.field, request.class_name, table, request.layer, request.tolerance)

    @contextmanager
    def open(self, number: int) -> Iterator[Ground]:
        if self._project is not None:
            yield self._project
            return
        with opened(self._pairs[number], self.palette, self._options) as ground:
            yield ground
            self.unmapped.update(ground.unmapped)


def _looked_at(
    number: int, name: str, ground: Ground, request: DatasetRequest, rule: SplitRule, palette: Palette
) -> Iterator[_Tile]:
    cut = windows(ground.grid, request.side, request.smallest)
    whole = split_of_scene(name, rule)
    splits = [whole] * len(cut) if whole else _blocks(cut, request, rule, number)
    names = {c.id: c.name for c in palette if c.id}
    for window, split in zip(cut, splits, strict=True):
        photo, labels, valid = ground.read_photo(window), ground.read_map(window), ground.read_valid(window)
        light = luminance(photo)
        fault = Fault("gap between splits", "touches held-out ground") if split == GAP else None
        fault = fault or fault_of(photo, labels, valid, names, request)
        tile = f"{name}_{window.row}_{window.col}"
        yield _Tile(number, window, split, fault, thumbnail(light), small(photo), sharpness(light), tile)


def _blocks(cut: Sequence[Window], request: DatasetRequest, rule: SplitRule, scene: int) -> list[str]:
    return ["train"] * len(cut) if request.validation else split_blocks(cut, request.side, rule, [request.seed, scene])


def _drop_copies(tiles: list[_Tile]) -> None:
    left = [tile for tile in tiles if tile.fault is None]
    copies = find_copies([tile.small for tile in left])
    for number, copy in to_remove(copies, [t.sharp for t in left], [t.split for t in left]).items():
        left[number].fault = Fault("near copy", f"of {left[copy.other].name}, {copy.how}")


def _part(grid: Grid, window: Window) -> Grid:
    a, b, _, d, e, _ = grid.transform
    x, y = grid.xy(window.row, window.col)
    transform = (a, b, x, d, e, y) if grid.is_georeferenced else grid.transform
    return Grid(window.width, window.height, transform, grid.crs)


def _instances(labels: Labels) -> NDArray[np.int32]:
    """Connected ground of one class, numbered from 1; unlabelled ground is 0."""
    from scipy.ndimage import label

    made = np.zeros(labels.shape, np.int32)
    for class_id in np.unique(labels[labels > 0]):
        pieces, _ = label(labels == class_id)
        made = np.where(pieces > 0, pieces + made.max(), made)
    return made


def _removed(tiles: list[_Tile]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "reason", "detail"])
    writer.writerows((t.name, t.fault.reason, t.fault.detail) for t in tiles if t.fault)
    return text.getvalue()


def _reasons(tiles: list[_Tile]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in _reason_counts(tiles).items()) or "none"


def _reason_counts(tiles: list[_Tile]) -> dict[str, int]:
    return dict(Counter(t.fault.reason for t in tiles if t.fault))


def _notes(counts: Counter[str], sources: _Sources) -> list[str]:
    found = []
    if counts["train"] < FEW_TILES:
        found.append(f"{counts['train']} tiles to learn from are few: go on from a trained model, or add scenes")
    if not counts["validation"]:
        found.append("nothing is held out for validation: training cannot tell when to stop")
    if not counts["test"]:
        found.append("nothing is held out for a test: name scenes by --test to judge what was learned")
    if sources.unmapped:
        value, times = sources.unmapped.most_common(1)[0]
        found.append(f"{sources.unmapped.total()} pixels of the maps stand for no class, most often {value} ({times})")
    return found
