"""Recompute the proof of an export from the delivered files, trusting nothing that was not read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Grid
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.proof import Proof, blocks, plane_hash, prove
from cimgen_qt.core.raster import RasterReader
from cimgen_qt.core.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Delivered:
    """The opened files of an export. `tags` are those of the raster; `source` is there if a comparison is wanted."""

    sidecar: Sidecar
    raster: RasterReader
    origin: RasterReader
    classes: RasterReader
    tags: Mapping[str, str]
    source: RasterReader | None = None


def verify(files: Delivered) -> Job[tuple[Check, ...]]:
    """Hashes outside and inside the change, the companions, the marks, and (with a source) every pixel outside."""
    sidecar, raster = files.sidecar, files.raster
    checks = list(_shapes(files))
    if not all(check.ok for check in checks):
        return tuple(checks)
    grid = raster.info.grid
    found = yield from prove(
        grid, raster.info.bands, raster.read, lambda w: files.origin.read(w)[..., 0] > 0, "hashing the raster"
    )
    checks += _proof_checks(sidecar.proof, found)
    checks += _companion_checks(files, grid)
    checks += _tag_checks(sidecar, files.tags)
    if files.source is not None:
        checks.append((yield from _against(files, files.source)))
    return tuple(checks)


def _shapes(files: Delivered) -> Iterator[Check]:
    grid, info = files.sidecar.grid, files.raster.info
    same = info.grid.window == grid.window and info.bands == files.sidecar.data["bands"]
    same = same and info.dtype == files.sidecar.data["dtype"]
    yield Check("size, bands and type", same, f"{info.grid.width} x {info.grid.height}, {info.bands} x {info.dtype}")
    yield Check(
        "position", same and info.grid.transform == grid.transform, "the transform is the recorded one, to the bit"
    )
    companions = all(r.info.grid.window == grid.window for r in (files.origin, files.classes))
    enough = files.origin.info.bands == 1 and files.classes.info.bands == 2
    yield Check("companions", companions and enough, "origin mask and class map lie on the same pixels")


def _proof_checks(wanted: Proof, found: Proof) -> Iterator[Check]:
    outside = wanted.outside == found.outside and wanted.outside_pixels == found.outside_pixels
    yield Check("outside the change", outside, f"{found.outside_pixels} pixels, every band hashed")
    inside = wanted.changed == found.changed and wanted.changed_pixels == found.changed_pixels
    yield Check("inside the change", inside, f"{found.changed_pixels} pixels, every band hashed")


def _companion_checks(files: Delivered, grid: Grid) -> Iterator[Check]:
    data = files.sidecar.data
    footprint = plane_hash(grid, lambda w: files.origin.read(w)[..., 0])
    yield Check("origin mask", footprint == data["marks"]["footprint"], "it is the recorded one")
    for band, name in enumerate(("edited", "original")):
        found = plane_hash(grid, lambda w, b=band: files.classes.read(w)[..., b])  # type: ignore[misc]
        yield Check(f"{name} classes", found == data["classes"][name], "they are the recorded ones")


def _tag_checks(sidecar: Sidecar, tags: Mapping[str, str]) -> Iterator[Check]:
    wrong = sorted(key for key, value in sidecar.data["marks"]["tags"].items() if tags.get(key) != value)
    generated = sidecar.data["declaration"]["generated"]
    marked = "AI_EDITED" in tags
    said = (
        f"wrong: {', '.join(wrong)}"
        if wrong
        else "the file says what was generated"
        if generated
        else "nothing was generated"
    )
    yield Check("declaration in the file", not wrong and marked == generated, said)


def _against(files: Delivered, source: RasterReader) -> Job[Check]:
    """Count the pixels outside the change that are not the source's, bit for bit."""
    grid = files.raster.info.grid
    if source.info.grid.window != grid.window or (source.info.bands, source.info.dtype) != (
        files.raster.info.bands,
        files.raster.info.dtype,
    ):
        raise ExportError("the source has another size, other bands or another type", hint="Is it the right file?")
    differ = outside = 0
    windows = list(blocks(grid))
    for done, window in enumerate(windows, start=1):
        free = files.origin.read(window)[..., 0] == 0
        one, other = files.raster.read(window), source.read(window)
        same = np.ascontiguousarray(one).view(np.uint8) == np.ascontiguousarray(other).view(np.uint8)
        differ += int((~same.reshape(*free.shape, -1).all(axis=2) & free).sum())
        outside += int(free.sum())
        yield Progress(done, len(windows), "comparing with the source")
    return Check("against the source", differ == 0, f"{differ} of {outside} pixels outside the change differ")


def report(checks: tuple[Check, ...]) -> dict[str, Any]:
    """Plain values for scripts."""
    rows = [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in checks]
    return {"passed": all(c.ok for c in checks), "checks": rows}
