"""Look at a file before GDAL does: only plain local rasters that refer to nothing but themselves pass."""

from __future__ import annotations

import html
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cimgen_qt.core.errors import RasterError
from cimgen_qt.raster.tiff import Directory, is_tiff, read_directories

LARGEST_SIDE = 10_000_000
MOST_BLOCKS = 4_000_000
MOST_BANDS = 4096
LARGEST_BLOCK = 256 * 2**20
"""Bytes of one decoded block: more would have to be held in memory to read a single pixel."""
MOST_PIXELS_A_BYTE = 20_000
"""Decoded bytes for one of the file: deflate reaches 1 030, LZW 1 400, ZSTD and sparse blocks more."""
LARGEST_XML = 8 * 2**20
_BITS = (1, 2, 4, 8, 10, 11, 12, 13, 14, 15, 16, 24, 32, 64, 128)
_ELSEWHERE = re.compile(
    rb"/vsi|[a-z][a-z0-9+.-]{1,15}://|OVERVIEW_FILE|<!DOCTYPE|<!ENTITY|<SourceFilename|<VRTDataset|<GDAL_WMS|<GDAL_MRF",
    re.IGNORECASE,
)
_HARMLESS = re.compile(rb"https?://(?:ns\.adobe\.com|www\.w3\.org|purl\.org|cv\.iptc\.org|iptc\.org|www\.opengis\.net|"
                       rb"www\.isotc211\.org|cipa\.jp|ns\.useplus\.org)[^\s\"'<>]*", re.IGNORECASE)  # fmt: skip
_HINT = "Open a GeoTIFF, PNG or JPEG that was written by a program you trust."
DRIVERS = {"tiff": "GTiff", "png": "PNG", "jpeg": "JPEG"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be opened: the real path, and the one driver to do it with."""

    path: Path
    driver: str


def inspect(path: Path) -> Verdict:
    """Let a raster pass, or raise `RasterError` that says why not. Reads headers and sidecars only.

    Refused are names that GDAL takes for more than a file, formats that point elsewhere (VRT, WMS, MRF ...), TIFFs
    whose metadata or overviews lead to other files, sidecars of the wrong kind, circles, offsets outside the file, and
    sizes that no honest file of that length has.
    """
    real = plain_file(path)
    size = real.stat().st_size
    with real.open("rb") as file:
        head = file.read(16)
        if is_tiff(head):
            directories = read_directories(file, size, path.name)
            for number, directory in enumerate(directories):
                if number == 0 or _has_blocks(directory):  # GDAL passes over thumbnails of the old JPEG kind
                    _judge(directory, size, path.name)
            kind = "tiff"
        elif head.startswith(b"\x89PNG\r\n\x1a\n"):
            kind = "png"
        elif head.startswith(b"\xff\xd8\xff"):
            kind = "jpeg"
        else:
            raise RasterError(f"{path.name} is no GeoTIFF, PNG or JPEG", hint=_HINT)
    _judge_sidecars(real)
    return Verdict(real, DRIVERS[kind])


def plain_file(path: Path) -> Path:
    """Symbolic links followed; no device, pipe, URL or GDAL connection string."""
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
    real = Path(os.path.realpath(text))
    if real.as_posix().startswith("/vsi") or "://" in str(real):
        raise RasterError(f"{path.name} lies where GDAL would look for more than a file", hint="Move it elsewhere.")
    if not os.access(real, os.R_OK):
        raise RasterError(f"{path.name} may not be read", hint="Check its permissions.")
    return real


def _judge(directory: Directory, size: int, name: str) -> None:
    width, height, bands = directory.number(256), directory.number(257), directory.number(277, 1)
    bits = directory.numbers(258) or (1.0,)
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise _refusal(name, f"it is said to measure {width} x {height} pixels")
    if not 0 < bands <= MOST_BANDS or len(set(bits)) > 1 or int(bits[0]) not in _BITS:
        raise _refusal(name, f"it is said to have {bands} bands of {bits[:4]} bits")
    _judge_blocks(directory, (width, height, bands, int(bits[0])), size, name)
    _judge_texts(directory, name)


def _judge_blocks(directory: Directory, shape: tuple[int, int, int, int], size: int, name: str) -> None:
    width, height, bands, bits = shape
    tiled = 322 in directory.tags
    across, down = (directory.number(322), directory.number(323)) if tiled else (width, directory.number(278, height))
    down = min(down, height) if not tiled else down
    if across <= 0 or down <= 0 or across > 2 * LARGEST_SIDE or down > 2 * LARGEST_SIDE:
        raise _refusal(name, f"its blocks are said to measure {across} x {down}")
    separate = directory.number(284, 1) == 2
    blocks = -(-width // across) * -(-height // down) * (bands if separate else 1)
    block_bytes = across * down * (1 if separate else bands) * bits // 8
    if blocks > MOST_BLOCKS:
        raise _refusal(name, f"it is cut into {blocks} blocks")
    if block_bytes > LARGEST_BLOCK:
        raise _refusal(name, f"one block would take {block_bytes / 2**20:.0f} MiB")
    offsets, counts = (directory.tags.get(t) for t in ((324, 325) if tiled else (273, 279)))
    if offsets is None or offsets.count < blocks:
        raise _refusal(name, "it does not say where its blocks lie")
    if offsets.values is not None and counts is not None and counts.values is not None:
        _judge_places(offsets.values, counts.values, size, name)
    if width * height * bands * bits // 8 > MOST_PIXELS_A_BYTE * max(size, 4096):
        raise _refusal(name, f"{width} x {height} pixels do not fit into {size} bytes")


def _has_blocks(directory: Directory) -> bool:
    return any(tag in directory.tags for tag in (273, 324))


def _judge_places(offsets: tuple[float, ...] | bytes, counts: tuple[float, ...] | bytes, size: int, name: str) -> None:
    """A block may be missing (0, 0), and the last may be cut off by a few bytes; none may begin outside the file."""
    for offset, count in zip(offsets, counts, strict=False):
        if count and (offset >= size or count > 2 * size):
            raise _refusal(name, "its blocks lie outside the file (is it cut off?)")


def _judge_texts(directory: Directory, name: str) -> None:
    """Texts that GDAL acts on: its own metadata, and XML. Plain descriptions may say what they like."""
    for tag, what in ((42112, "metadata"), (50844, "RPC"), (270, "description")):
        text = directory.text(tag)
        if tag != 42112 and not text.lstrip().startswith(b"<"):
            continue
        if points_elsewhere(text):
            raise _refusal(name, f"its {what} leads to another file or address")


def points_elsewhere(text: bytes) -> bool:
    """Whether a text names a file or address that GDAL might follow; the names of XML vocabularies do not count."""
    plain = html.unescape(text.decode("latin-1")).encode("utf-8")
    return any(_ELSEWHERE.search(_HARMLESS.sub(b"", said)) is not None for said in (text, plain))


def _judge_sidecars(path: Path) -> None:
    """Files that GDAL reads by itself because they lie beside and are called alike."""
    for sidecar in (Path(f"{path}.aux.xml"), path.with_suffix(".aux.xml"), Path(f"{path}.msk.aux.xml")):
        if _exists(sidecar):
            _judge_xml(sidecar)
    beside = [Path(f"{path}{end}") for end in (".ovr", ".msk", ".OVR", ".MSK", ".msk.ovr", ".ovr.ovr")]
    beside += [path.with_suffix(end) for end in (".ovr", ".msk", ".rrd", ".aux")]
    for sidecar in dict.fromkeys(beside):
        if sidecar == path or not _exists(sidecar):
            continue
        _judge_raster_sidecar(sidecar)


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return True


def _judge_xml(path: Path) -> None:
    if not path.is_file() or path.stat().st_size > LARGEST_XML:
        raise _refusal(path.name, "it is no plain file of a sensible size")
    if points_elsewhere(path.read_bytes()):
        raise _refusal(path.name, "it leads to another file or address")


def _judge_raster_sidecar(path: Path) -> None:
    if not path.is_file():
        raise _refusal(path.name, "it is no plain file")
    with path.open("rb") as file:
        head = file.read(16)
        if not is_tiff(head):
            raise _refusal(path.name, "it lies beside the image as its overview or mask, but is no TIFF")
        size = path.stat().st_size
        for directory in read_directories(file, size, path.name):
            _judge(directory, size, path.name)


def _refusal(name: str, why: str) -> RasterError:
    return RasterError(f"{name} is refused: {why}", hint=_HINT)
