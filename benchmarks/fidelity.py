"""What of a GeoTIFF survives the whole job: new, paint, render, export `same`, and a comparison field by field.

python -m benchmarks.fidelity FOLDER
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from cimgen_qt import tasks
from cimgen_qt.core.edits import Edit, Rectangle
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.opening import open_project


def _points(data: Any) -> list[tuple[float, ...]]:
    return [(p.row, p.col, p.x, p.y, p.z or 0.0) for p in data.gcps[0]]


def _palette(data: Any) -> Any:
    return data.colormap(1) if data.colorinterp[0].name == "palette" else None


FIELDS: dict[str, Callable[[Any], Any]] = {
    "size, bands, type": lambda d: (d.width, d.height, d.count, d.dtypes),
    "transform, to the bit": lambda d: tuple(d.transform),
    "CRS": lambda d: d.crs.to_wkt() if d.crs else None,
    "GCPs and their CRS": lambda d: (_points(d), d.gcps[1].to_wkt() if d.gcps[1] else None),
    "RPCs": lambda d: d.rpcs.to_dict() if d.rpcs else None,
    "area or point": lambda d: d.tags().get("AREA_OR_POINT"),
    "nodata": lambda d: repr(d.nodatavals),
    "masks": lambda d: [[f.name for f in flags] for flags in d.mask_flag_enums],
    "colour interpretation": lambda d: [c.name for c in d.colorinterp],
    "photometric": lambda d: d.photometric,
    "colour table": _palette,
    "descriptions": lambda d: d.descriptions,
    "units": lambda d: d.units,
    "scales, offsets": lambda d: (d.scales, d.offsets),
    "tags": lambda d: {k: v for k, v in d.tags().items() if not k.startswith("AI_")},
    "band tags": lambda d: [_lasting(d.tags(b)) for b in d.indexes],
    "tag domains": lambda d: sorted(set(d.tag_namespaces()) - {"xml:XMP", "DERIVED_SUBDATASETS"}),
    "compression": lambda d: d.compression,
    "interleave": lambda d: d.interleaving,
    "blocks": lambda d: d.block_shapes,
    "overviews": lambda d: d.overviews(1),
    "COG layout": lambda d: d.tags(ns="IMAGE_STRUCTURE").get("LAYOUT"),
}


def _lasting(tags: dict[str, str]) -> dict[str, str]:
    """Statistics are dropped on purpose: they are of the old pixels."""
    return {k: v for k, v in tags.items() if not k.startswith("STATISTICS_")}


def compare(image: Path, folder: Path) -> tuple[list[str], str]:
    """Fields that differ, and what the export said of them."""
    project, target = folder / f"{image.stem}.cimgen", folder / image.name
    run_inline(tasks.run_new(tasks.NewRequest(str(project), str(image))))
    with open_project(project) as opened:
        grid = opened.project.grid
        size = min(48, grid.height // 3, grid.width // 3)
        opened.scene.paint(Edit(Rectangle(grid.height // 2, grid.width // 2, size, size), 2))
    rendered = run_inline(tasks.run_render(tasks.RenderRequest(str(project), "flat")))
    with open_project(project) as opened:
        opened.scene.lay(rendered)
    facts = run_inline(tasks.run_export(tasks.ExportRequest(str(project), str(target))))
    checked = run_inline(tasks.run_verify(tasks.VerifyRequest(str(target), str(image))))
    with rasterio.open(image) as before, rasterio.open(target) as after:
        lost = [name for name, read in FIELDS.items() if read(before) != read(after)]
    if not checked["passed"]:
        lost.append("PROOF FAILED")
    return lost, "; ".join(facts["notes"])


def main(folder: Path) -> None:
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    print(f"| file | kept of {len(FIELDS)} | differs | said by the export |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as made:
        for image in sorted(folder.glob("*.tif")):
            try:
                lost, said = compare(image, Path(made))
                print(f"| {image.name} | {len(FIELDS) - len(lost)} | {', '.join(lost) or '-'} | {said or '-'} |")
            except CimgenError as error:
                print(f"| {image.name} | refused | {error.message} | {error.hint} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
