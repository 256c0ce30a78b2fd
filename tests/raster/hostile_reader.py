"""Read hostile files under watch, in a process of its own: a crash, a hang or a call outside shows.

`python -m tests.raster.hostile_reader LIST [unguarded]`: LIST is a JSON list of paths; each is inspected, opened and
read, and what came of it is printed as one JSON object a line, with all that Python was asked to open meanwhile.
"unguarded" hands the files to GDAL as if the guard had been fooled.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import rasterio

from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window
from cimgen_qt.raster.gdal_env import GDAL_ERRORS, restricted
from cimgen_qt.raster.rasterio_io import open_raster

MARK = "/hostile-mark/"
"""A path that is not there; a look at it divides the trace of system calls."""


def guarded(path: Path) -> dict[str, Any]:
    """The greatest value of pixels and overview shows whose they are."""
    try:
        with open_raster(path) as reader:
            grid = reader.info.grid
            window = Window(0, 0, min(16, grid.height), min(16, grid.width))
            pixels, _ = reader.read(window), reader.read_valid(window)
            shown = reader.read_overview(grid.window, 4, 4) if grid.window.area < 2**24 else pixels
            return {"refused": False, "hint": "", "message": "", "value": float(max(pixels.max(), shown.max()))}
    except CimgenError as error:
        return {"refused": True, "hint": error.hint, "message": error.message, "value": 0.0}


def unguarded(path: Path) -> dict[str, Any]:
    with restricted(), suppress(*GDAL_ERRORS, ValueError), rasterio.open(path, driver="GTiff") as data:
        data.dataset_mask()
        return {"value": float(data.read(1, out_shape=(4, 4)).max()), "overviews": data.overviews(1)}
    return {"value": 0.0}


def main(paths: list[str], look: Any) -> None:
    warnings.simplefilter("ignore")
    look(Path(paths[0]))  # everything lazy is loaded now
    asked: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.open"):
            asked.append(str(arguments[0]))
        elif event.startswith(
            ("socket.", "subprocess.", "os.exec", "os.system", "os.posix_spawn", "urllib.", "ctypes.")
        ):
            asked.append(f"{event}:{arguments}")

    sys.addaudithook(watch)
    for number, path in enumerate(paths):
        with suppress(OSError):
            Path(f"{MARK}{number}").read_bytes()
        asked.clear()
        began = time.monotonic()
        result = look(Path(path))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result |= {"path": path, "seconds": time.monotonic() - began, "asked": list(asked), "peak_mib": peak}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), unguarded if "unguarded" in sys.argv else guarded)
