"""What is installed, which device would be used, and why not another: the first thing to ask for in a report."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

from cimgen_qt import __version__
from cimgen_qt.core.durable import require_writable
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.paths import resources, user_data

PACKAGES = ("numpy", "rasterio", "shapely", "pyogrio", "pillow", "numba", "PyQt6", "qtawesome", "onnxruntime",
            "onnxruntime-gpu", "onnxruntime-directml", "torch")  # fmt: skip
NEEDED = PACKAGES[:8]


def examine() -> tuple[dict[str, Any], list[str], bool]:
    """Facts, lines for people, and whether all that is needed is there."""
    versions = {name: _version(name) for name in PACKAGES}
    checks = {
        "packages": all(versions[name] for name in NEEDED),
        "sample": (resources() / "samples" / "village.tif").is_file(),
        "user folder": _writable(),
        "GDAL and PROJ": _gdal_works(),
    }
    devices = _devices()
    facts = {
        "cimgen": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": versions,
        "devices": devices,
        "checks": checks,
    }
    lines = [f"CIMGen {__version__}, Python {facts['python']}, {facts['system']}"]
    lines += [f"  {name} {version or 'not installed'}" for name, version in versions.items()]
    lines += [f"{'ok  ' if ok else 'FAIL'} {name}" for name, ok in checks.items()]
    lines += [f"device: {device['name']}: {device['said']}" for device in devices]
    return facts, lines, all(checks.values())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _writable() -> bool:
    folder = user_data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_writable(folder / "doctor")
    except (OSError, CimgenError):
        return False
    return True


def _gdal_works() -> bool:
    """Whether the CRS of the sample is known by its code: a foreign PROJ database loses it silently."""
    from cimgen_qt.raster.rasterio_io import open_raster

    try:
        with open_raster(resources() / "samples" / "village.tif") as reader:
            return '"EPSG","32633"' in (reader.info.grid.crs or "").replace(" ", "")
    except CimgenError:
        return False


def _devices() -> list[dict[str, str]]:
    from cimgen_qt.generators.devices import survey

    return survey()
