"""From a snapshot to a delivered file: changed blocks, companions, the proof, and all of it set in place or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cimgen_qt.core import durable
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette_io import to_qml
from cimgen_qt.core.proof import Hasher, Proof, blocks, plane_hash
from cimgen_qt.core.provenance import source_type, tags_of, xmp_with
from cimgen_qt.core.raster import Mask, Pixels, PlaneWriter, RasterReader, RasterWriter
from cimgen_qt.core.sidecar import describe, surviving
from cimgen_qt.core.snapshot import Snapshot

COMPANIONS = {"origin": ".origin.tif", "classes": ".classes.tif"}
SIDECAR = ".json"
STYLE = ".classes.qml"
"""Loaded by QGIS together with the class map."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was delivered, and how it is proved."""

    target: str
    sidecar: str
    companions: tuple[str, ...]
    profile: str
    proof: Proof
    notes: tuple[str, ...]
    generated: bool


@dataclass(frozen=True)
class Delivery:
    """Where an export goes, and the hands that write it."""

    target: Path
    profile: str
    source: Mapping[str, Any]
    """relative, name, size and digest of the image, as the sidecar tells them."""
    writer: RasterWriter
    origin: PlaneWriter
    classes: PlaneWriter
    existing_xmp: str = ""


def beside(target: Path, ending: str) -> Path:
    """The companion of a delivered file: `OUT.tif` and `OUT.tif.json`, `OUT.origin.tif`."""
    return target.with_name(target.name + ending) if ending == SIDECAR else target.with_suffix(ending)


def require_target(target: Path, source: Path, overwrite: bool) -> None:
    """Raises `ExportError` where the target is the source by any name, is there already, or cannot be written."""
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise ExportError(f"{target.name} does not end in .tif", hint="Exports are GeoTIFFs: name it OUT.tif.")
    everything = [target, *(beside(target, end) for end in (*COMPANIONS.values(), STYLE, SIDECAR))]
    for path in everything:
        if path.exists() and path.samefile(source):
            raise ExportError(
                f"{path.name} is the source image", hint="Choose another name: sources are never written."
            )
        if path.is_dir():
            raise ExportError(f"{path.name} is a folder", hint="Choose another name.")
        if path.exists() and not overwrite:
            raise ExportError(f"{path.name} exists already", hint="Choose another name, or allow overwriting.")
    durable.require_writable(target)


def export(snapshot: Snapshot, delivery: Delivery) -> Job[Exported]:
    """Write, compare block by block with the source and the scene, then set everything in place, the raster last.

    Whatever goes wrong, or when it is closed, nothing new stands at the user's paths. Raises `ExportError`.
    """
    hands: list[RasterWriter | PlaneWriter] = [delivery.origin, delivery.classes, delivery.writer]
    with ExitStack() as undo:
        for hand in hands:
            undo.callback(hand.discard)
        yield from _write(snapshot, delivery)
        footprint = plane_hash(snapshot.grid, snapshot.read_origin)
        left = surviving(snapshot)
        sidecar_path = beside(delivery.target, SIDECAR)
        tags = tags_of(left, footprint, sidecar_path.name)
        xmp = xmp_with(delivery.existing_xmp, source_type(left))
        delivered = delivery.writer.finish(tags, xmp.encode("utf-8"))
        try:
            proof = yield from _compare(snapshot, delivered)
        finally:
            delivered.close()
        text = _sidecar(snapshot, delivery, proof, {"footprint": footprint, "tags": tags})
        sidecar = undo.enter_context(durable.stage(sidecar_path))
        sidecar.fill(text.encode("utf-8"))
        style = undo.enter_context(durable.stage(beside(delivery.target, STYLE)))
        style.fill(to_qml(snapshot.palette).encode("utf-8"))
        companions = [delivery.origin.commit, delivery.classes.commit, style.commit, sidecar.commit]
        _commit([*companions, delivery.writer.commit], delivery)
        return Exported(
            str(delivery.target),
            str(sidecar_path),
            tuple(str(beside(delivery.target, end)) for end in (*COMPANIONS.values(), STYLE)),
            delivery.profile,
            proof,
            delivery.writer.notes,
            bool(left),
        )


def _write(snapshot: Snapshot, delivery: Delivery) -> Job[None]:
    changed = snapshot.pixel_blocks()
    everywhere = list(blocks(snapshot.grid))
    total = len(changed) + len(everywhere)
    for done, window in enumerate(changed, start=1):
        origin = snapshot.read_origin(window)
        delivery.writer.write(window, snapshot.read_pixels(window), origin > 0)
        delivery.origin.write(window, origin[..., None])
        yield Progress(done, 2 * total, "writing")
    for done, window in enumerate(everywhere, start=len(changed) + 1):
        planes = np.stack([snapshot.read_labels(window), snapshot.read_map(window)], axis=2)
        delivery.classes.write(window, planes)
        yield Progress(done, 2 * total, "writing classes")
    delivery.origin.finish()
    delivery.classes.finish()


def _compare(snapshot: Snapshot, delivered: RasterReader) -> Job[Proof]:
    """Read the finished file back; every pixel must be the photo's, or the scene's where it was changed."""
    info = delivered.info
    if info.grid.window != snapshot.grid.window or (info.bands, info.dtype) != (
        snapshot.info.bands,
        snapshot.info.dtype,
    ):
        raise ExportError("the written file has another size or other bands", hint="Please report this.")
    hasher = Hasher(snapshot.info.bands)
    everywhere = list(blocks(snapshot.grid))
    made = set(snapshot.pixel_blocks())
    for done, window in enumerate(everywhere, start=1):
        after = delivered.read(window)
        wanted = snapshot.read_pixels(window) if window in made else snapshot.read_photo(window)
        changed: Mask = snapshot.read_origin(window) > 0
        _require_same(after, wanted, snapshot.read_photo(window) if window in made else wanted, changed, window)
        hasher.feed(after, changed)
        yield Progress(len(everywhere) + done, 2 * len(everywhere), "comparing")
    return hasher.proof()


def _require_same(after: Pixels, wanted: Pixels, photo: Pixels, changed: Mask, window: Window) -> None:
    """Bit for bit, so that NaN equals NaN."""
    for other, where in ((wanted, np.ones_like(changed)), (photo, ~changed)):
        if after[where].tobytes() != other[where].tobytes():
            raise ExportError(
                f"what was written differs from the scene near row {window.row}, column {window.col}",
                hint="Is the disk failing or full? Nothing was exported.",
            )


def _sidecar(snapshot: Snapshot, delivery: Delivery, proof: Proof, marks: Mapping[str, Any]) -> str:
    classes = {
        "edited": plane_hash(snapshot.grid, snapshot.read_labels),
        "original": plane_hash(snapshot.grid, snapshot.read_map),
    }
    left = surviving(snapshot)
    facts = {
        "profile": delivery.profile,
        "target": delivery.target.name,
        "companions": {name: beside(delivery.target, end).name for name, end in COMPANIONS.items()},
        "source": dict(delivery.source),
        "declaration": {
            "generated": bool(left),
            "digital_source_type": source_type(left),
            "said": "Pixels whose origin is 1 or 2 were made by a generator and are no photograph."
            if left
            else "No pixel was generated.",
        },
        "marks": dict(marks),
        "classes": classes,
        "notes": list(delivery.writer.notes),
    }
    return json.dumps(describe(snapshot, facts, proof), ensure_ascii=False, allow_nan=False)


def _commit(steps: list[Callable[[], None]], delivery: Delivery) -> None:
    """Companions first, the raster last; where one fails, those that are new are taken away again.

    The raster may stand in its place although the disk did not confirm it: then its companions stay with it.
    """
    names = [beside(delivery.target, end) for end in (*COMPANIONS.values(), STYLE, SIDECAR)]
    fresh = [path for path in names if not path.exists()]
    before = durable.identity(delivery.target)
    try:
        for step in steps:
            step()
    except BaseException:
        if durable.identity(delivery.target) == before:
            for path in fresh:
                durable.remove_quietly(path)
        raise
