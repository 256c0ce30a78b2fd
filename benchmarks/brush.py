"""A move of the brush, seen and undoable, beside napari's labels layer.

napari is run by the interpreter that BENCH_NAPARI_PYTHON names, else by this one; where it is missing it is skipped.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.protocol import Case, Runner
from cimgen_qt.core.chunks import CHUNK
from cimgen_qt.core.palette import DEFAULT_PALETTE
from cimgen_qt.core.project import Project
from cimgen_qt.core.scene import Scene
from cimgen_qt.core.schema import Source
from tests.rasters import MemoryReader

NAPARI = """
import sys, time, statistics, numpy as np
from napari.layers import Labels
side, radius = int(sys.argv[1]), int(sys.argv[2])
layer = Labels(np.zeros((side, side), np.uint8))
layer.brush_size = 2 * radius
layer.n_edit_dimensions = 2
rng, times = np.random.default_rng(0), []
for number in range(60):
    at = rng.integers(radius, min(side, 4096) - radius, 2)
    began = time.perf_counter()
    layer.paint(tuple(at), 1 + number % 5, refresh=True)
    times.append(time.perf_counter() - began)
print(statistics.median(times[10:]))
"""


class Wide(MemoryReader):
    """As large as wanted, without a pixel."""

    side = 4096

    @property
    def info(self):  # type: ignore[no-untyped-def]
        from cimgen_qt.core.grid import Grid
        from cimgen_qt.core.raster import RasterInfo

        return RasterInfo("wide", Grid(self.side, self.side, self.transform, self.crs), 3, "uint8")


def cases(quick: bool) -> Iterator[Case]:
    for side in (4096, 20480):
        for radius in (10, 50, 200):
            with tempfile.TemporaryDirectory() as folder:
                reader = Wide(np.zeros((1, 1, 3), np.uint8))
                reader.side = side
                source = Source("/nowhere", "nowhere", 0, 0, "sha256:0")
                project = Project.create(Path(folder) / "p.cimgen", reader.info, DEFAULT_PALETTE, source)
                runners = (
                    Runner("cimgen", _mover(Scene(project, reader), radius)),
                    Runner("floor: numpy", _floor(radius)),
                )
                yield Case(f"move, radius {radius}, {side} px", runners, rounds=200, notes=_napari(side, radius))
                project.close()


def _mover(scene: Scene, radius: int):  # type: ignore[no-untyped-def]
    """One move by a third of the radius, within chunks that the stroke has met before, and its colouring."""
    colours = DEFAULT_PALETTE.colour_table()
    brush = scene.brush(2, radius)
    path = [(1000 + 300 * np.sin(t / 9), 1000 + 300 * np.cos(t / 9)) for t in range(200)]
    for row, col in path:
        brush.move(row, col)
    at = iter(range(10**9))

    def move() -> None:
        row, col = path[next(at) % len(path)]
        dirty = brush.move(row, col)
        labels = np.zeros(dirty.shape, np.uint8)
        brush.show(labels, dirty)
        _ = colours[labels]

    return move


def _floor(radius: int):  # type: ignore[no-untyped-def]
    """The same disc into an array, and the colours of its box."""
    colours = DEFAULT_PALETTE.colour_table()
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = y * y + x * x <= radius * radius
    sheet = np.zeros((4 * CHUNK, 4 * CHUNK), np.uint8)

    def stamp() -> None:
        box = sheet[300 : 301 + 2 * radius, 300 : 301 + 2 * radius]
        before = box.copy()
        box[disc] = 2
        _ = colours[box], before

    return stamp


def _napari(side: int, radius: int) -> tuple[str, ...]:
    python = os.environ.get("BENCH_NAPARI_PYTHON", sys.executable)
    began = time.perf_counter()
    done = subprocess.run([python, "-c", NAPARI, str(side), str(radius)], capture_output=True, text=True, check=False)
    if done.returncode:
        return (f"napari skipped: {(done.stderr.strip().splitlines() or ['?'])[-1][:80]}",)
    median = float(done.stdout.strip().splitlines()[-1])
    assert statistics.mean([median]) > 0
    return (
        f"napari Labels.paint (own process, {time.perf_counter() - began:.0f} s in all): {median * 1e6:.0f} us a move",
    )
