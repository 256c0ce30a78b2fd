"""From an image to a class raster on its grid, with a style and a raster of confidence beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from cimgen_qt.core import durable
from cimgen_qt.core.errors import ExportError
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette_io import to_qml
from cimgen_qt.generators.catalog import model_card
from cimgen_qt.generators.devices import Choice
from cimgen_qt.raster.palettes import open_palette
from cimgen_qt.raster.rasterio_io import open_raster
from cimgen_qt.raster.write import Planes
from cimgen_qt.segmentation.finer import sweep_over
from cimgen_qt.segmentation.model import SegmentationModel
from cimgen_qt.segmentation.request import SegmentRequest

CONFIDENCE, STYLE = "_confidence.tif", ".qml"
"""Ends of the names beside the map. A raster of one band with a colour table is what a GIS shows as classes at once."""


def segment(request: SegmentRequest) -> Job[dict[str, Any]]:
    """Nothing stands at the target until all is written. Raises ModelError, RasterError or ExportError."""
    image, target = Path(request.image), Path(request.target)
    confidence, style_path = target.with_name(target.stem + CONFIDENCE), target.with_suffix(STYLE)
    palette = None if request.palette is None else open_palette(Path(request.palette))
    card = model_card(request.model)
    sources = [image, card.path, card.folder / card.file, *([Path(request.palette)] if request.palette else [])]
    _require_targets((target, confidence, style_path), sources, request.overwrite)
    with open_raster(image) as reader, ExitStack() as undo:
        choice = Choice(request.device, precision=request.precision)
        model = SegmentationModel(card, palette, choice)
        undo.callback(model.close)
        sweep = sweep_over(model, reader)
        classes = {c.id: c for c in model.reading.palette}
        planes = [Planes(target, reader, ("class",), classes), Planes(confidence, reader, ("confidence",), None)]
        for plane in planes:
            undo.callback(plane.discard)
        counts, sure, done, total = np.zeros(256, np.int64), 0, 0, sweep.tiles
        for looked, pieces in sweep:
            done += looked
            for piece in pieces:
                planes[0].write(piece.window, piece.labels[..., None])
                planes[1].write(piece.window, piece.confidence[..., None])
                counts += np.bincount(piece.labels.ravel(), minlength=256)
                sure += int(piece.confidence.sum(dtype=np.int64))
            yield Progress(done, total, "reading classes")
        for plane in planes:
            plane.finish()
        style = undo.enter_context(durable.stage(style_path))
        style.fill(to_qml(model.reading.palette).encode())
        steps = {style_path: style.commit, confidence: planes[1].commit, target: planes[0].commit}
        _commit(steps, target)
        pixels = int(counts.sum())
        spec = model.spec
        return {
            "target": str(target), "confidence": str(confidence), "model": spec.name, "sha256": spec.sha256,
            "device": spec.device, "tiles": total, "notes": [*model.reading.notes, *filter(None, [spec.device_note])],
            "shares": {classes[i].name: int(n) / pixels for i, n in enumerate(counts) if n and i in classes},
            "mean_confidence": sure / (255 * max(1, pixels)),
        }  # fmt: skip


def _require_targets(targets: tuple[Path, ...], sources: list[Path], overwrite: bool) -> None:
    """Raises ExportError where a file to be written is one that is read, is there already, or cannot be written."""
    if targets[0].suffix.lower() not in (".tif", ".tiff"):
        raise ExportError(f"{targets[0].name} does not end in .tif", hint="Maps are GeoTIFFs: name it OUT.tif.")
    for path in targets:
        for source in sources:
            if path.exists() and source.exists() and path.samefile(source):
                what = "the source image" if source == sources[0] else "read for this map"
                raise ExportError(f"{path.name} is {what}", hint="Choose another name: sources are never written.")
        if path.is_dir():
            raise ExportError(f"{path.name} is a folder", hint="Choose another name.")
        if path.exists() and not overwrite:
            raise ExportError(f"{path.name} exists already", hint="Choose another name, or allow overwriting.")
        durable.require_writable(path)


def _commit(steps: Mapping[Path, Callable[[], None]], target: Path) -> None:
    """What stands beside the map first, the map last; where one fails, those that are new are taken away again.

    The map may stand in its place although the disk did not confirm it: then what is beside it stays.
    """
    fresh = [path for path in steps if path != target and not path.exists()]
    before = durable.identity(target)
    try:
        for step in steps.values():
            step()
    except BaseException:
        if durable.identity(target) == before:
            for path in fresh:
                durable.remove_quietly(path)
        raise
