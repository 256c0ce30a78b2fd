"""Look at the files that GDAL reads by itself because they lie beside a raster and are called alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from cimgen_qt.core.errors import RasterError
from cimgen_qt.raster.references import points_elsewhere

LARGEST_XML = 8 * 2**20
LARGEST_ERDAS = 64 * 2**20
DEEPEST = 3
"""An overview's mask has sidecars of its own; a chain that goes on is a trap."""
_COMMON = {"metadata.dim", "summary.txt", "rpc.txt", "hdr.txt"}
_ELSEWHERE = re.compile(rb"[/\\][^\x00]{0,255}\.(?:rrd|ige|img)", re.IGNORECASE)


def judge_sidecars(path: Path, judge_tiff: Callable[[Path], None], depth: int = 0) -> None:
    """Raises `RasterError` for one of the wrong kind, or that leads elsewhere.

    `judge_tiff` looks at overviews and masks. Names are compared without regard to case, as GDAL does.
    """
    whole, stem = path.name.lower(), path.stem.lower()
    for name in _names(path):
        low = name.lower()
        if name == path.name or not (low.startswith((f"{stem}.", f"{stem}_")) or low in _COMMON):
            continue
        beside = path.with_name(name)
        if not beside.is_file():
            _judge_odd(beside, whole)
        elif low in (f"{whole}.aux.xml", f"{stem}.aux.xml"):
            _judge_link(beside, path)
            _judge_xml(beside)
        elif low in (f"{whole}.ovr", f"{whole}.msk"):
            _judge_link(beside, path)
            if depth >= DEEPEST:
                raise refusal(name, "it is a sidecar of a sidecar of a sidecar")
            judge_tiff(beside)
            judge_sidecars(beside, judge_tiff, depth + 1)
        elif low in (f"{whole}.aux", f"{stem}.aux"):
            _judge_link(beside, path)
            _judge_erdas(beside)


def _names(path: Path) -> Iterable[str]:
    """What lies in the folder; where it may not be listed, what GDAL then tries."""
    try:
        with os.scandir(path.parent) as entries:
            return [entry.name for entry in entries]
    except OSError:
        ends = (".aux.xml", ".ovr", ".OVR", ".msk", ".MSK", ".aux", ".AUX")
        found = [path.name + end for end in ends] + [path.stem + end for end in (".aux", ".AUX", ".aux.xml")]
        return [name for name in found if os.path.lexists(path.with_name(name))]


def _judge_odd(path: Path, whole: str) -> None:
    """GDAL would wait for a pipe, and try to open a folder as an overview. A link to nothing is nothing."""
    taken = path.name.lower().removeprefix(whole) in (".aux.xml", ".ovr", ".msk")
    if path.exists() and (taken or not path.is_dir()):
        raise refusal(path.name, "it lies beside the image and is no plain file")


def _judge_link(beside: Path, path: Path) -> None:
    """Where the image itself is a link, its sidecars may be; an image that came as a file brings no links along."""
    if beside.is_symlink() and not path.is_symlink() and beside.resolve().parent != path.resolve().parent:
        raise refusal(beside.name, "it is a link that leads out of the folder of the image")


def _judge_xml(path: Path) -> None:
    if path.stat().st_size > LARGEST_XML:
        raise refusal(path.name, "it is too large for what it should be")
    if points_elsewhere(path.read_bytes()):
        raise refusal(path.name, "it leads to another file or address")


def _judge_erdas(path: Path) -> None:
    """Old pyramids of ERDAS and ArcGIS keep their pixels in files of their own; other programs use `.aux` as well."""
    with path.open("rb") as file:
        if file.read(15) != b"EHFA_HEADER_TAG":
            return
        file.seek(0)
        content = file.read(LARGEST_ERDAS + 1)
    if len(content) > LARGEST_ERDAS or _ELSEWHERE.search(content):
        raise refusal(path.name, "it leads to another folder")


def refusal(name: str, why: str) -> RasterError:
    return RasterError(
        f"{name} is refused: {why}", hint="Open a GeoTIFF, PNG or JPEG that was written by a program you trust."
    )
