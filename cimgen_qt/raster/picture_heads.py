"""Read from the head of a PNG or JPEG how large it says it is, and doubt what its bytes cannot hold."""

from __future__ import annotations

import struct
from typing import BinaryIO

from cimgen_qt.core.errors import RasterError

PNG_HEAD, JPEG_HEAD = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MOST_PNG_BYTES_A_BYTE = 1100
"""Decoded bytes for one of the file: deflate reaches 1032."""
MOST_JPEG_PIXELS_A_BYTE = 1024
"""An empty progressive JPEG takes a bit for each block of 64 pixels: 512 pixels a byte."""
LARGEST_INTERLACED = 512 * 2**20
"""Bytes of an interlaced PNG, which is decoded as a whole."""
SMALLEST = 64 * 2**10
"""A file counts as at least that long: a small picture never hurts."""
LARGEST_HEAD = 64 * 2**20
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD9)}


def judge_png(file: BinaryIO, size: int, name: str) -> None:
    """Raises `RasterError` where the header is not sound, or the size absurd."""
    file.seek(0)
    head = file.read(33)
    if len(head) < 33 or head[8:16] != b"\x00\x00\x00\rIHDR":
        raise _refusal(name, "it has no header")
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", head, 16)
    if not width or not height or colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise _refusal(name, "its header is not sound")
    decoded = width * height * _SAMPLES[colour] * bits // 8
    if decoded > MOST_PNG_BYTES_A_BYTE * max(size, SMALLEST) or (interlaced and decoded > LARGEST_INTERLACED):
        raise _refusal(name, f"{width} x {height} pixels do not fit into {size} bytes")


def judge_jpeg(file: BinaryIO, size: int, name: str) -> None:
    """Raises `RasterError` where no frame is found, or its size is absurd."""
    at = 2
    while at < min(size, LARGEST_HEAD):
        file.seek(at)
        head = file.read(9)
        if len(head) < 9 or head[0] != 0xFF:
            break
        marker = head[1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, 5)
            if not width or not height or width * height > MOST_JPEG_PIXELS_A_BYTE * max(size, SMALLEST):
                raise _refusal(name, f"{width} x {height} pixels do not fit into {size} bytes")
            return
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + max(2, struct.unpack_from(">H", head, 2)[0])
    raise _refusal(name, "it has no frame")


def _refusal(name: str, why: str) -> RasterError:
    return RasterError(f"{name} is no sound picture: {why}", hint="Is it cut off or damaged? Write it anew.")
