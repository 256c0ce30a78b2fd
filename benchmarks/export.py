"""An export with 1 % of the pixels edited, beside a copy of the file and GDAL's COG driver."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

from benchmarks.protocol import Case, Runner
from cimgen_qt import tasks
from cimgen_qt.core.chunks import chunk_window
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.core.render import Patch, Rendered
from cimgen_qt.opening import open_project
from cimgen_qt.raster.delivery import open_delivery


def cases(quick: bool) -> Iterator[Case]:
    side = 3000 if quick else 9000
    with tempfile.TemporaryDirectory() as made:
        for compress in ("deflate", None):
            folder = Path(made) / str(compress)
            folder.mkdir()
            image, project = make(folder, side, compress)
            size = image.stat().st_size / 2**20
            runners = (
                Runner("cimgen same, with proof", lambda p=project, f=folder: ours(p, f / "o.tif", "same"), nothing_differs),
                Runner("cimgen same, writing alone", lambda p=project, f=folder: writing(p, f / "w.tif")),
                Runner("cimgen cog, with proof", lambda p=project, f=folder: ours(p, f / "c.tif", "cog"), nothing_differs),
                Runner("floor: cp and fsync", lambda i=image, f=folder: copy(i, f / "cp.tif")),
                Runner("GDAL COG driver, all CPUs", lambda i=image, f=folder: cog(i, f / "gdal.tif")),
            )  # fmt: skip
            yield Case(f"{compress or 'uncompressed'}, {size:.0f} MB, 1 % edited", runners, rounds=3)


def make(folder: Path, side: int, compress: str | None) -> tuple[Path, Path]:
    """A grainy orthophoto with overviews, and a project in which 1 % of its chunks were generated."""
    image, project = folder / "i.tif", folder / "p.cimgen"
    options = {} if compress is None else {"compress": compress, "predictor": 2}
    with rasterio.open(image, "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8", tiled=True,
                       blockxsize=256, blockysize=256, crs="EPSG:32633", photometric="rgb",
                       transform=rasterio.Affine(0.1, 0, 458000, 0, -0.1, 5428000), **options) as out:  # fmt: skip
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:256, :256]
        for _, window in out.block_windows(1):
            base = 110 + 40 * np.sin((x + window.col_off) / 190) * np.cos((y + window.row_off) / 130)
            block = (base[None] + rng.normal(0, 6, (3, 256, 256))).astype(np.uint8)
            out.write(block[:, : window.height, : window.width], window=window)
        out.build_overviews([2, 4, 8, 16], Resampling.average)
    run_inline(tasks.run_new(tasks.NewRequest(str(project), str(image))))
    with open_project(project) as opened:
        scene = opened.scene
        across = -(-side // 256)
        keys = [(n * 7 % across, n * 11 % across) for n in range(max(1, across * across // 100))]
        patches = []
        for key in keys:
            window = chunk_window(key, scene.grid)
            pixels = 255 - scene.read_pixels(window)
            full = np.ones(window.shape, bool)
            patches.append(Patch(window, full, ~full, pixels, full.astype(np.uint8)))
        run_inline(scene.import_map([], {"source": "none"}))
        scene.lay(Rendered(tuple(patches), scene.project.head, {"name": "flat"}, 0, {}, "all"))
    return image, project


def ours(project: Path, target: Path, profile: str) -> dict[str, object]:
    return run_inline(tasks.run_export(tasks.ExportRequest(str(project), str(target), profile, overwrite=True)))


def writing(project: Path, target: Path) -> None:
    """Our writer without comparing, companions and sidecar."""
    with open_project(project, read_only=True) as opened:
        snapshot = opened.snapshot()
        delivery = open_delivery(target, snapshot, "same", {})
        for window in snapshot.pixel_blocks():
            delivery.writer.write(window, snapshot.read_pixels(window), snapshot.read_origin(window) > 0)
        delivery.writer.finish({}, b"").close()
        delivery.writer.commit()
        delivery.origin.discard()
        delivery.classes.discard()


def nothing_differs(facts: dict[str, object]) -> str:
    return "" if str(facts["proof"]).startswith("0 of") else str(facts["proof"])


def copy(image: Path, target: Path) -> None:
    shutil.copyfile(image, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def cog(image: Path, target: Path) -> None:
    with rasterio.open(image) as data:
        rasterio.shutil.copy(data, target, driver="COG", COMPRESS="DEFLATE", PREDICTOR="YES", NUM_THREADS="ALL_CPUS")
