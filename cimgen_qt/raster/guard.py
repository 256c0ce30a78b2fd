"""Look at a file before GDAL does: only plain local rasters that refer to nothing but themselves pass."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import RasterError
from cimgen_qt.raster import tiff
from cimgen_qt.raster.beside import judge_sidecars, refusal
from cimgen_qt.raster.picture_heads import JPEG_HEAD, PNG_HEAD, judge_jpeg, judge_png
from cimgen_qt.raster.references import points_elsewhere
from cimgen_qt.raster.tiff import Directory, is_tiff, read_directories

LARGEST_SIDE = 10_000_000
MOST_BANDS = 4096
LARGEST_BLOCK = 512 * 2**20
"""Bytes of one decoded block, which must be held in memory to read a single pixel; strips without compression are
read in part and may be larger (many programs write a whole image as one)."""
HARMLESS_BLOCK = 16 * 2**20
MOST_BYTES_A_BYTE = 20_000
"""Decoded bytes for one stored, in blocks over `HARMLESS_BLOCK`: deflate reaches 1030, LZW 1400, ZSTD and LERC more."""
MOST_BYTES_A_BYTE_IN_ALL = 1_000_000
"""The same for the whole file: a sparse block of 512 x 512 pixels, 4 bands of float32, takes 8 bytes."""
_BITS = {*range(1, 33), 64, 128}
_POLYGLOT = re.compile(
    rb"<(?:VRT|OGRVRT|GDAL_W|WCS|WMT|WMS|TileMap|Services?\b|MRF|GTI|GDALTileIndex|\?xml)", re.IGNORECASE
)
_HINT = "Open a GeoTIFF, PNG or JPEG that was written by a program you trust."
_DRIVERS = {"tiff": "GTiff", "png": "PNG", "jpeg": "JPEG"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be opened: the absolute path, and the one driver to do it with."""

    path: Path
    driver: str


def inspect(path: Path) -> Verdict:
    """Let a raster pass, or raise `RasterError` that says why not. Reads headers and sidecars only.

    What counts is content, not the ending: a JPEG called `.tif` is a JPEG. Refused are names that GDAL takes for more
    than a file, formats that point elsewhere (VRT, WMS, MRF ...), TIFFs whose metadata leads to other files, sidecars
    that do or that are of the wrong kind, circles, places outside the file, and sizes that no honest file of that
    length has. A file that is exchanged between this look and the opening is not noticed.
    """
    real = plain_file(path)
    try:
        with real.open("rb") as file:
            kind = _judge_content(file, real)
        judge_sidecars(real, _judge_tiff_beside)
    except OSError as error:
        raise RasterError(f"{path.name} cannot be read: {error.strerror}", hint="Is the disk in order?") from error
    return Verdict(real, _DRIVERS[kind])


def plain_file(path: Path) -> Path:
    """Absolute, links kept: sidecars lie beside the link. No device, pipe, URL or GDAL connection string."""
    text = str(path)
    if "\x00" in text or "\n" in text or text.lstrip().startswith("<"):
        raise RasterError("that is no file name", hint="Give the path of a file.")
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        if re.match(r"^/?vsi|^[A-Za-z][A-Za-z0-9+.-]+:|/vsi", text.replace("\\", "/").lower().lstrip("/")):
            raise RasterError(f"{text[:80]} is no local file", hint="Download it first, then open the copy.") from error
        raise RasterError(f"{text[-120:]} cannot be found", hint="Check the path.") from error
    if not stat.S_ISREG(status.st_mode):
        raise RasterError(f"{path.name} is no plain file", hint="Give the path of an image file.")
    real = Path(os.path.abspath(text))  # noqa: PTH100  (Path.resolve follows links, Path.absolute keeps "..")
    if real.as_posix().lstrip("/").lower().startswith("vsi") or "://" in str(real):
        raise RasterError(f"{path.name} lies where GDAL would look for more than a file", hint="Move it elsewhere.")
    if not os.access(real, os.R_OK):
        raise RasterError(f"{path.name} may not be read", hint="Check its permissions.")
    return real


def _judge_content(file: BinaryIO, path: Path) -> str:
    size = os.fstat(file.fileno()).st_size
    head = file.read(16)
    if is_tiff(head):
        _judge_tiff(file, size, path.name)
        return "tiff"
    if head.startswith(PNG_HEAD):
        judge_png(file, size, path.name)
        return "png"
    if head.startswith(JPEG_HEAD):
        judge_jpeg(file, size, path.name)
        return "jpeg"
    raise RasterError(f"{path.name} is no GeoTIFF, PNG or JPEG", hint=_HINT)


def _judge_tiff(file: BinaryIO, size: int, name: str) -> None:
    for number, directory in enumerate(read_directories(file, size, name)):
        if number == 0 or any(places[0] in directory.tags for places in (tiff.STRIP_PLACES, tiff.TILE_PLACES)):
            _judge_shape(directory, size, name)  # GDAL passes over thumbnails of the old JPEG kind
        for tag, what in ((tiff.METADATA, "metadata"), (tiff.DESCRIPTION, "description")):
            if points_elsewhere(directory.text(tag)):
                raise refusal(name, f"its {what} leads to another file or address")


def _judge_tiff_beside(path: Path) -> None:
    """GDAL lets every driver try an overview or a mask: it must not look like anything else, either."""
    with path.open("rb") as file:
        head = file.read(4096)
        if not is_tiff(head) or _POLYGLOT.search(head):
            raise refusal(path.name, "it lies beside the image as its overview or mask, but is no TIFF")
        _judge_tiff(file, os.fstat(file.fileno()).st_size, path.name)


def _judge_shape(directory: Directory, size: int, name: str) -> None:
    width, height, bands = directory.number(tiff.WIDTH), directory.number(tiff.HEIGHT), directory.number(tiff.BANDS, 1)
    bits = set(directory.numbers(tiff.BITS).tolist()) if tiff.BITS in directory.tags else {1}
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise refusal(name, f"it is said to measure {width} x {height} pixels")
    if not 0 < bands <= MOST_BANDS or len(bits) != 1 or not bits <= _BITS:
        raise refusal(name, f"it is said to have {bands} bands of {sorted(bits)[:4]} bits")
    _judge_blocks(directory, (width, height, bands, bits.pop()), size, name)


def _judge_blocks(directory: Directory, shape: tuple[int, int, int, int], size: int, name: str) -> None:
    width, height, bands, bits = shape
    tiled = tiff.TILE_WIDTH in directory.tags
    across, down = width, min(directory.number(tiff.ROWS, height), height)
    if tiled:
        across, down = directory.number(tiff.TILE_WIDTH), directory.number(tiff.TILE_HEIGHT)
    if not (0 < across <= 2 * LARGEST_SIDE and 0 < down <= 2 * LARGEST_SIDE):
        raise refusal(name, f"its blocks are said to measure {across} x {down}")
    separate = directory.number(tiff.PLANES, 1) == 2
    blocks = -(-width // across) * -(-height // down) * (bands if separate else 1)
    block_bytes = across * down * (1 if separate else bands) * bits // 8
    offsets, counts = map(directory.numbers, tiff.TILE_PLACES if tiled else tiff.STRIP_PLACES)
    if len(offsets) < blocks:
        raise refusal(name, f"it does not say where its {blocks} blocks lie")
    if width * height * bands * bits // 8 > MOST_BYTES_A_BYTE_IN_ALL * max(size, 4096):
        raise refusal(name, f"{width} x {height} pixels do not fit into {size} bytes")
    packed = directory.number(tiff.COMPRESSION, 1) != 1
    if (packed or tiled) and block_bytes > LARGEST_BLOCK:
        raise refusal(name, f"one block would take {block_bytes / 2**20:.0f} MiB")
    _judge_places(offsets[:blocks], counts[:blocks], size, name)
    if block_bytes > HARMLESS_BLOCK:
        _judge_large_blocks(counts[:blocks], block_bytes // (MOST_BYTES_A_BYTE if packed else 2), name)


def _judge_places(offsets: NDArray[np.integer], counts: NDArray[np.integer], size: int, name: str) -> None:
    """A block may be missing (0, 0), and the last may be cut off by a few bytes; none may begin outside the file."""
    if len(counts) != len(offsets):
        counts = np.ones_like(offsets)  # libtiff guesses the lengths; the places count all the more
    if np.any((counts != 0) & ((offsets >= size) | (offsets < 0) | (counts > 2 * size) | (counts < 0))):
        raise refusal(name, "its blocks lie outside the file (is it cut off?)")


def _judge_large_blocks(counts: NDArray[np.integer], fewest: int, name: str) -> None:
    if not len(counts) or np.any((counts != 0) & (counts < fewest)):
        raise refusal(name, "a few bytes of it would become a very large block")
