"""Open what an export writes, and what a user delivers back to be verified."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import rasterio

from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.export import COMPANIONS, SIDECAR, Delivery, beside
from cimgen_qt.core.raster import RasterReader
from cimgen_qt.core.sidecar import Sidecar, read_sidecar
from cimgen_qt.core.snapshot import Snapshot
from cimgen_qt.core.verification import Delivered
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.metadata import quiet, read_xmp
from cimgen_qt.raster.patch import open_patched
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.raster.write import Planes, open_writer


def open_delivery(target: Path, snapshot: Snapshot, profile: str, image: Mapping[str, Any]) -> Delivery:
    """Begin all files of an export. Raises `ExportError`; nothing is left then."""
    with ExitStack() as undo:
        origin = Planes(beside(target, COMPANIONS["origin"]), snapshot.reader, ("origin",), None)
        undo.callback(origin.discard)
        classes = {c.id: c for c in snapshot.palette}
        planes = Planes(beside(target, COMPANIONS["classes"]), snapshot.reader, ("edited", "original"), classes)
        undo.callback(planes.discard)
        writer = open_writer(target, snapshot.reader, profile)
        undo.callback(writer.discard)
        with quiet(), restricted(), rasterio.open(snapshot.info.path) as data:
            xmp = read_xmp(data)
        undo.pop_all()
        return Delivery(target, profile, image, writer, origin, planes, xmp)


def open_delivered(target: Path, source: Path | None, stack: ExitStack) -> Delivered:
    """The files of an export, for `verify`; `stack` closes them. A patch needs its source in any case."""
    sidecar = read_sidecar(beside(target, SIDECAR))
    names = sidecar.data["companions"]
    raster = open_composite(sidecar, target, source)
    stack.callback(raster.close)
    return Delivered(
        sidecar,
        raster,
        stack.enter_context(open_raster(sidecar.beside(names["origin"]))),
        stack.enter_context(open_raster(sidecar.beside(names["classes"]))),
        read_tags(target),
        None if source is None else stack.enter_context(open_raster(source)),
    )


def open_composite(sidecar: Sidecar, target: Path, source: Path | None) -> RasterReader:
    """What the export shows: the raster itself, or a patch over its source."""
    if sidecar.data["profile"] != "patch":
        return open_raster(target)
    below = sidecar.source() if source is None else source
    if not below.is_file():
        raise ExportError(f"the source of the patch is not at {below}", hint="Name it with --source.")
    return open_patched(target, below)


def read_tags(path: Path) -> dict[str, str]:
    """Tags of the default domain."""
    try:
        with quiet(), restricted(), rasterio.open(path) as data:
            return dict(data.tags())
    except GDAL_ERRORS as error:
        raise ExportError(f"{path.name} cannot be read: {error}", hint="Is it complete?") from error
