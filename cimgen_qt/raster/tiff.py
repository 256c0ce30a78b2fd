"""Read the directories of a TIFF in plain Python, trusting nothing, before GDAL sees the file (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import RasterError

MOST_DIRECTORIES = 1024
MOST_TAGS = 512
MOST_TAGS_IN_ALL = 65_536
MOST_BLOCKS = 4_000_000
"""In one directory: a square of 500 000 pixels in tiles of 256."""
MOST_BLOCKS_IN_ALL = 8_000_000
LARGEST_TEXT = 8 * 2**20
MOST_WANTED = 4 * LARGEST_TEXT
"""Bytes of texts and numbers that are read in all, blocks not counted."""
MOST_SHARED = 4
"""The values of all directories together, in sizes of the file: honest ones share little."""
LARGEST_NUMBERS = 64 * 2**10
"""Bytes of a tag of numbers that the guard judges by: one for each of 4096 bands."""
WIDTH, HEIGHT, BITS, COMPRESSION, BANDS, ROWS, PLANES = 256, 257, 258, 259, 277, 278, 284
DESCRIPTION, METADATA = 270, 42112
TILE_WIDTH, TILE_HEIGHT, SUB_DIRECTORIES = 322, 323, 330
STRIP_PLACES, TILE_PLACES = (273, 279), (324, 325)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_BLOCKS = {*STRIP_PLACES, *TILE_PLACES}
_NUMBERS = {WIDTH, HEIGHT, BITS, COMPRESSION, BANDS, ROWS, PLANES, TILE_WIDTH, TILE_HEIGHT, SUB_DIRECTORIES}
_TEXTS = {DESCRIPTION, METADATA}


@dataclass(frozen=True, slots=True)
class Tag:
    """`data` is empty for tags that nobody here judges by; `order` is numpy's sign for the order of bytes."""

    kind: int
    count: int
    data: bytes
    order: str

    @property
    def numbers(self) -> NDArray[np.integer]:
        """Empty where the values are no whole numbers: libtiff takes no others for sizes and places either."""
        code = _WHOLE.get(self.kind)
        return np.frombuffer(self.data, np.dtype(self.order + code if code else "u1"))[: self.count if code else 0]

    @property
    def text(self) -> bytes:
        """What libtiff makes of any whole numbers when it wants a text: each of them is one byte."""
        return self.data if self.kind in (2, 7) else self.numbers.astype(np.uint8).tobytes()


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of the file: the picture, an overview, a mask, a further page."""

    tags: dict[int, Tag]

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag; `default` without the tag, 0 where it holds no whole number."""
        found = self.tags.get(tag)
        if found is None:
            return default
        return int(found.numbers[0]) if len(found.numbers) else 0

    def numbers(self, tag: int) -> NDArray[np.integer]:
        found = self.tags.get(tag)
        return found.numbers if found is not None else np.zeros(0, np.int64)

    def text(self, tag: int) -> bytes:
        found = self.tags.get(tag)
        return found.text if found is not None else b""


def is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def read_directories(file: BinaryIO, size: int, name: str) -> list[Directory]:
    """All directories: the chain, and those that hang below others. Of values only what is judged is read.

    Raises `RasterError` on a circle, on places outside the file and on more than the bounds above, so that the work is
    bounded: less than a second and 200 MiB for the worst file.
    """
    return list(_Reader(file, size, name).directories())


class _Reader:
    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._name = file, size, name
        head = self._bytes(0, 8)
        self._order = "<" if head[:2] == b"II" else ">"
        self._big = head[2:4] in (b"+\x00", b"\x00+")
        self._seen: set[int] = set()
        self._tags = self._blocks = self._wanted = self._values = self._all_values = 0

    def directories(self) -> Iterator[Directory]:
        at = self._number("Q", self._bytes(8, 8)) if self._big else self._number("I", self._bytes(4, 4))
        if self._big and self._bytes(4, 4) != struct.pack(self._order + "HH", 8, 0):
            raise self._refusal("its BigTIFF header is not valid")
        if not at:
            raise self._refusal("it has no image")
        waiting = [at]
        while waiting:
            at = waiting.pop(0)
            while at:
                self._enter(at)
                directory, at = self._directory(at)
                waiting += [int(below) for below in directory.numbers(SUB_DIRECTORIES) if below]
                yield directory

    def _enter(self, at: int) -> None:
        if at in self._seen:
            raise self._refusal("its directories form a circle")
        if len(self._seen) >= MOST_DIRECTORIES:
            raise self._refusal(f"it has more than {MOST_DIRECTORIES} directories")
        self._seen.add(at)

    def _directory(self, at: int) -> tuple[Directory, int]:
        head, entry = (8, 20) if self._big else (2, 12)
        count = self._number("Q" if self._big else "H", self._bytes(at, head))
        self._tags += count
        if not 0 < count <= MOST_TAGS or self._tags > MOST_TAGS_IN_ALL:
            raise self._refusal(f"one directory has {count} tags")
        table = self._bytes(at + head, count * entry)
        self._values = 0
        tags: dict[int, Tag] = {}
        for start in range(0, len(table), entry):
            tag, value = self._tag(table[start : start + entry])
            if tag in tags:
                raise self._refusal(f"tag {tag} stands twice in one directory")
            tags[tag] = value
        after = self._bytes(at + head + count * entry, 8 if self._big else 4)
        return Directory(tags), self._number("Q" if self._big else "I", after)

    def _tag(self, entry: bytes) -> tuple[int, Tag]:
        tag, kind = struct.unpack_from(self._order + "HH", entry)
        count = self._number("Q" if self._big else "I", entry[4:12] if self._big else entry[4:8])
        room = entry[12:] if self._big else entry[8:]
        width = _SIZES.get(kind, 0) * count  # unknown kinds are to be skipped, says the standard
        if width <= len(room):
            return tag, Tag(kind, count, room[:width], self._order)
        offset = self._number("Q" if self._big else "I", room)
        self._require(offset, width)
        self._allow(tag, count, width)
        wanted = tag in _BLOCKS or tag in _NUMBERS or tag in _TEXTS
        return tag, Tag(kind, count, self._bytes(offset, width) if wanted else b"", self._order)

    def _allow(self, tag: int, count: int, width: int) -> None:
        """Values may be long, but not longer together than the file: libtiff loads them all."""
        self._values += width
        self._all_values += width
        if self._values > self._size or self._all_values > MOST_SHARED * self._size:
            raise self._refusal("the values of its tags lie over each other")
        if tag in _BLOCKS:
            self._blocks += count
            if count > MOST_BLOCKS or self._blocks > 2 * MOST_BLOCKS_IN_ALL:
                raise self._refusal(f"it is cut into {count} blocks")
        elif tag in _TEXTS or tag in _NUMBERS:
            self._wanted += width
            if width > (LARGEST_TEXT if tag in _TEXTS else LARGEST_NUMBERS) or self._wanted > MOST_WANTED:
                raise self._refusal(f"tag {tag} is {width} bytes long")

    def _bytes(self, at: int, count: int) -> bytes:
        self._require(at, count)
        self._file.seek(at)
        data = self._file.read(count)
        if len(data) != count:
            raise self._refusal("it ends too early")
        return data

    def _require(self, at: int, count: int) -> None:
        if at < 0 or at + count > self._size:
            raise self._refusal("it points outside itself (is it cut off?)")

    def _number(self, code: str, data: bytes) -> int:
        return int(struct.unpack_from(self._order + code, data)[0])

    def _refusal(self, why: str) -> RasterError:
        return RasterError(f"{self._name} is no sound TIFF: {why}", hint="Write it anew with the program it came from.")
