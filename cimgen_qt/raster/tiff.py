"""Read the directories of a TIFF in plain Python, trusting nothing, before GDAL sees the file (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from cimgen_qt.core.errors import RasterError

MOST_DIRECTORIES = 64
MOST_TAGS = 512
LARGEST_VALUE = 16 * 2**20
"""Bytes of one tag's value; offsets of blocks are the largest and are judged by their count instead."""
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I",
          16: "Q", 17: "q", 18: "Q"}  # fmt: skip
_BLOCK_TAGS = (273, 279, 324, 325)


@dataclass(frozen=True, slots=True)
class Tag:
    """`values` is None for what is only counted (the offsets and sizes of blocks)."""

    kind: int
    count: int
    values: tuple[float, ...] | bytes | None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of the file: the picture, an overview or a mask."""

    tags: dict[int, Tag]

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a numeric tag."""
        found = self.tags.get(tag)
        if found is None or found.values is None or isinstance(found.values, bytes) or not found.values:
            return default
        return int(found.values[0])

    def numbers(self, tag: int) -> tuple[float, ...]:
        found = self.tags.get(tag)
        return found.values if found is not None and isinstance(found.values, tuple) else ()

    def text(self, tag: int) -> bytes:
        found = self.tags.get(tag)
        return found.values if found is not None and isinstance(found.values, bytes) else b""


def is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def read_directories(file: BinaryIO, size: int, name: str) -> list[Directory]:
    """All directories in their chain. Raises `RasterError` on a circle, offsets outside the file, absurd counts."""
    return _Reader(file, size, name).directories()


class _Reader:
    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._name = file, size, name
        head = self._bytes(0, 8)
        self._order = "<" if head[:2] == b"II" else ">"
        self._big = head[2:4] in (b"+\x00", b"\x00+")

    def directories(self) -> list[Directory]:
        at = self._number("Q", self._bytes(8, 8)) if self._big else self._number("I", self._bytes(4, 4))
        if self._big and self._bytes(4, 4) != struct.pack(self._order + "HH", 8, 0):
            raise self._refusal("its BigTIFF header is not valid")
        seen: set[int] = set()
        found: list[Directory] = []
        while at:
            if at in seen:
                raise self._refusal("its directories form a circle")
            if len(found) >= MOST_DIRECTORIES:
                raise self._refusal(f"it has more than {MOST_DIRECTORIES} directories")
            seen.add(at)
            directory, at = self._directory(at)
            found.append(directory)
        if not found:
            raise self._refusal("it has no image")
        return found

    def _directory(self, at: int) -> tuple[Directory, int]:
        head, entry = (8, 20) if self._big else (2, 12)
        count = self._number("Q" if self._big else "H", self._bytes(at, head))
        if not 0 < count <= MOST_TAGS:
            raise self._refusal(f"one directory has {count} tags")
        table = self._bytes(at + head, count * entry)
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
        if kind not in _TYPES:
            return tag, Tag(kind, count, None)  # unknown types are to be skipped, says the standard
        code = _TYPES[kind]
        width = struct.calcsize("=" + code) * count
        if count > self._size * 8 or width > max(self._size, len(room)):
            raise self._refusal(f"tag {tag} is said to hold {count} values, more than the file")
        offset = 0
        if width <= len(room):
            data = room[:width]
        else:
            offset = self._number("Q" if self._big else "I", room)
            if tag in _BLOCK_TAGS:
                self._require(offset, width)
                return tag, Tag(kind, count, self._blocks(code, count, offset), offset)
            if width > LARGEST_VALUE:
                raise self._refusal(f"tag {tag} is {width} bytes long")
            data = self._bytes(offset, width)
        if code == "s":
            return tag, Tag(kind, count, data, offset)
        return tag, Tag(kind, count, struct.unpack(f"{self._order}{len(code) * count}{code[0]}", data), offset)

    def _blocks(self, code: str, count: int, offset: int) -> tuple[float, ...] | None:
        """Offsets and sizes of blocks are looked at one by one up to a bound that keeps the look short."""
        if count > 1_000_000:
            return None
        return struct.unpack(f"{self._order}{count}{code}", self._bytes(offset, struct.calcsize("=" + code) * count))

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
