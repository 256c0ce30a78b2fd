"""The main job: from changed classes to blended pixels."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.blend import BlendSettings, blend
from cimgen_qt.core.errors import CimgenError, ModelError
from cimgen_qt.core.generator import Generator, Request, SceneView
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.packing import pack_runs
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.core.resample import nearest, shrink_or_grow
from cimgen_qt.core.scope import Area, Scope
from cimgen_qt.core.tiling import MOST_PARTS, Lattice, Tile

LARGEST_BLEND = 2048
"""Longer areas are blended in squares of this side, each with the margin that the blend looks at."""
RIM = 1
"""Pixels beside what is to be made at which a blend compares what was made with the photo."""
_KEPT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Patch:
    """New pixels for the True pixels of `mask`; where `reverted` is True the photo comes back instead."""

    window: Window
    mask: Mask
    reverted: Mask
    pixels: Pixels
    origin: NDArray[np.uint8]
    """0 photo, 1 generated, 2 blended."""


@dataclass(frozen=True)
class Rendered:
    """A proposal: nothing of it is part of the scene until it is accepted."""

    patches: tuple[Patch, ...]
    revision: int
    model: Mapping[str, Any]
    seed: int
    blend: Mapping[str, Any]
    scope: str
    warnings: tuple[str, ...] = ()
    tiles: int = 0
    seconds: float = 0.0
    pixels: int = 0
    square_metres: float | None = None
    areas: str = ""
    """The areas of the scope, packed by `pack_runs`: to make the same again."""

    def facts(self) -> dict[str, Any]:
        """Everything but the patches, in plain values."""
        return {
            "revision": self.revision,
            "model": dict(self.model),
            "seed": self.seed,
            "blend": dict(self.blend),
            "scope": self.scope,
            "warnings": list(self.warnings),
            "tiles": self.tiles,
            "seconds": round(self.seconds, 3),
            "pixels": self.pixels,
            "square_metres": self.square_metres,
            "areas": self.areas,
        }


class Ground(Protocol):
    """What is rendered: a snapshot, or what a sidecar says of one."""

    @property
    def grid(self) -> Grid: ...

    @property
    def info(self) -> RasterInfo: ...

    @property
    def palette(self) -> Palette: ...

    @property
    def revision(self) -> int: ...

    def read_photo(self, window: Window) -> Pixels: ...

    def read_valid(self, window: Window) -> Mask: ...

    def read_map(self, window: Window) -> Labels: ...

    def read_labels(self, window: Window) -> Labels: ...


@dataclass(frozen=True)
class PristineView:
    """What a generator may look at: the scene before any edit, and which ground is to be made."""

    snapshot: Ground
    scope: Scope

    @property
    def grid(self) -> Grid:
        return self.snapshot.grid

    @property
    def info(self) -> RasterInfo:
        return self.snapshot.info

    @property
    def palette(self) -> Palette:
        return self.snapshot.palette

    def read_photo(self, window: Window) -> Pixels:
        return self.snapshot.read_photo(window)

    def read_valid(self, window: Window) -> Mask:
        return self.snapshot.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        return self.snapshot.read_map(window)

    def read_labels(self, window: Window) -> Labels:
        """The edited classes on the ground to be made, and everywhere else the original ones."""
        made = self.scope.mask(window)
        return np.where(made, self.snapshot.read_labels(window), self.snapshot.read_map(window))

    def read_scope(self, window: Window) -> Mask:
        return self.scope.wanted(window)


@dataclass
class _Render:
    """The state of one run."""

    snapshot: Ground
    scope: Scope
    generator: Generator
    seed: int
    blend: BlendSettings
    made: int = 0
    _kept: OrderedDict[Window, Pixels] = field(default_factory=OrderedDict)
    _parts: dict[Window, list[Tile]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.view = PristineView(self.snapshot, self.scope)
        self.blocks = [(area, block) for area in self.scope.areas for block in _blocks(area.window)]

    @cached_property
    def lattice(self) -> Lattice:
        """Not to be asked for before the generator was prepared: its spec may say more then."""
        return Lattice.of(self.generator.spec, self.snapshot.grid)

    def tiles(self, window: Window, area: Area) -> list[Tile]:
        """What has to be generated to fill `window` of `area`."""
        whole = self.lattice.whole(area.window, self.snapshot.grid)
        if whole is not None:
            return [whole]
        return [part for tile in self.lattice.tiles_under(window) for part in self.parts(tile)]

    def parts(self, tile: Tile) -> list[Tile]:
        """A tile, or as much of it as the scope needs; the same for every area and block that it is asked for."""
        if tile.inner not in self._parts:
            self._parts[tile.inner] = self._cut(tile)
        return self._parts[tile.inner]

    def _cut(self, tile: Tile) -> list[Tile]:
        whole = self.snapshot.grid.window
        inner, seen = tile.inner.intersect(whole), tile.inner.padded(RIM).intersect(whole)
        if not self.scope.wanted(inner).any():
            return []
        if not self.lattice.cuts:
            return [tile]
        wanted = self.scope.wanted(seen)
        near = [area for area in self.scope.areas if area.window.intersect(seen)]
        each = len(near) <= MOST_PARTS
        masks = (self.scope.area_mask(area, seen) & wanted for area in near) if each else iter((wanted,))
        boxes = (_box(mask).shifted(seen.row, seen.col) for mask in masks if mask.any())
        return self.lattice.cut(tile, [needed for box in boxes if (needed := box.padded(RIM).intersect(inner))])

    def patch(self, area: Area, block: Window) -> Job[Patch]:
        grid = self.snapshot.grid
        seen = block.padded(self.blend.margin).intersect(grid.window)
        photo, valid = self.snapshot.read_photo(seen), self.snapshot.read_valid(seen)
        labels = self.view.read_labels(seen)
        mask = self.scope.area_mask(area, seen) & self.scope.wanted(seen)
        new = np.array(photo)
        for tile in self.tiles(seen, area):
            common = tile.inner.intersect(seen)
            if not mask[common.slices(seen)].any():
                continue
            pixels = yield from self.generate(tile)
            new[common.slices(seen)] = pixels[common.slices(tile.outer)]
        blended = blend(photo, new, mask, self.blend, valid=valid, labels=labels, alpha=self.snapshot.info.alpha)
        inside = block.slices(seen)
        reverted = (self.scope.area_mask(area, block)) & self.scope.reverted(block)
        return Patch(block, mask[inside], reverted, blended.pixels[inside], blended.origin[inside])

    def generate(self, tile: Tile) -> Job[Pixels]:
        """Pixels of `tile.outer` at the resolution of the scene; a tile that two blocks share is made once."""
        if tile.outer in self._kept:
            return self._kept[tile.outer]
        request = request_for(self.view, tile, self.seed, self.generator.spec.metres_per_pixel)
        (pixels,) = yield from self.generator.generate([request])
        if pixels.shape != request.photo.shape or pixels.dtype != request.photo.dtype:
            raise ModelError(
                f"{self.generator.spec.name} gave {pixels.shape} {pixels.dtype} where "
                f"{request.photo.shape} {request.photo.dtype} was asked for",
                hint="Its card does not describe it; see `cimgen models`.",
            )
        if tile.resampled:
            pixels = shrink_or_grow(pixels, tile.outer.height, tile.outer.width)
        self.made += 1
        self._kept[tile.outer] = pixels
        while sum(p.nbytes for p in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return pixels


def render(snapshot: Ground, scope: Scope, generator: Generator, seed: int, settings: BlendSettings) -> Job[Rendered]:
    """Generate and blend every area of `scope`; yields each `Patch` as the payload of its progress.

    Raises `CimgenError` where there is nothing to do, `ModelError` where the generator breaks its promise.
    """
    if not scope.areas:
        raise CimgenError(
            "there is nothing to generate: the map does not differ from what the pixels show",
            hint="Paint first, or make it anew with `--scope edited` or `--scope all`.",
        )
    started = time.monotonic()
    settings = settings.for_pixel_size(snapshot.grid.metres_per_pixel)
    run = _Render(snapshot, scope, generator, seed, settings)
    yield Progress(0, len(run.blocks), f"preparing {generator.spec.name}")
    warnings = yield from generator.prepare(run.view)
    patches: list[Patch] = []
    for number, (area, block) in enumerate(run.blocks):
        patch = yield from _counted(run.patch(area, block), number, len(run.blocks))
        if patch.mask.any() or patch.reverted.any():
            patches.append(patch)
        yield Progress(number + 1, len(run.blocks), "generating", patch)
    return Rendered(
        tuple(patches),
        snapshot.revision,
        _model_facts(generator),
        seed,
        settings.to_json(),
        scope.text,
        tuple(warnings),
        run.made,
        time.monotonic() - started,
        sum(int(p.mask.sum()) for p in patches),
        _area(snapshot, patches),
        pack_runs(scope.runs),
    )


def _counted(job: Job[Patch], number: int, total: int) -> Job[Patch]:
    """Pass on what a part of the work says, scaled to its share of the whole."""
    grain = 1000
    while True:
        try:
            part = next(job)
        except StopIteration as stop:
            patch: Patch = stop.value
            return patch
        yield Progress(number * grain + int(part.fraction * grain), total * grain, part.text or "generating")


def request_for(view: SceneView, tile: Tile, seed: int, metres: float | None) -> Request:
    """Read and pad what the generator is to see; over the edge of the grid the picture is mirrored."""
    grid = view.grid
    inside = tile.outer.intersect(grid.window)
    pad = (
        (inside.row - tile.outer.row, tile.outer.bottom - inside.bottom),
        (inside.col - tile.outer.col, tile.outer.right - inside.right),
    )
    labels, photo = _padded(view.read_labels(inside), pad), _padded(view.read_photo(inside), pad)
    valid, mask = _padded(view.read_valid(inside), pad), _padded(view.read_scope(inside), pad)
    if tile.resampled:
        size = tile.height, tile.width
        labels, photo = nearest(labels, *size), shrink_or_grow(photo, *size)
        valid, mask = nearest(valid, *size), nearest(mask, *size)
    return Request(tile.outer, labels, photo, mask, valid, seed, metres or grid.metres_per_pixel)


def _padded(array: NDArray[Any], pad: tuple[tuple[int, int], tuple[int, int]]) -> NDArray[Any]:
    if not any(map(sum, pad)):
        return array
    widths = (*pad, (0, 0)) if array.ndim == 3 else pad
    return np.pad(array, widths, mode="symmetric")


def _box(mask: Mask) -> Window:
    """The smallest window round the True pixels of a mask that has some."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    row, col = int(rows[0]), int(cols[0])
    return Window(row, col, int(rows[-1]) + 1 - row, int(cols[-1]) + 1 - col)


def _blocks(window: Window) -> Iterator[Window]:
    if max(window.shape) <= 2 * LARGEST_BLEND:
        yield window
        return
    for row in range(window.row, window.bottom, LARGEST_BLEND):
        for col in range(window.col, window.right, LARGEST_BLEND):
            yield Window(row, col, LARGEST_BLEND, LARGEST_BLEND).intersect(window)


def _model_facts(generator: Generator) -> dict[str, Any]:
    spec = generator.spec
    return {
        "name": spec.name,
        "version": spec.version,
        "sha256": spec.sha256,
        "trained": spec.trained,
        "adapter": spec.adapter,
        "source": spec.source,
        "device": spec.device,
        "device_note": spec.device_note,
        "statistics": spec.statistics,
    }


def _area(snapshot: Ground, patches: list[Patch]) -> float | None:
    size = snapshot.grid.pixel_area
    return None if size is None else size * sum(int(p.mask.sum()) for p in patches)
