"""Read a database without writing to it: SQLite finishes what another program left open, in the file itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cimgen_qt.core import durable
from cimgen_qt.core.errors import MapError

LARGEST_COPY = 2**30
"""Bytes; each file of them is held in memory on its way."""
_JOURNALS = ("-wal", "-journal")
_WAL_MODE = 2
"""Bytes 18 and 19 of the header: a write-ahead log is used (https://www.sqlite.org/fileformat.html)."""


@contextmanager
def untouched(path: Path) -> Iterator[Path]:
    """The file itself, or a copy with its journals where opening would write to it or beside it (QGIS has it open, or
    a program died). Raises `MapError` where it is too large or cannot be read,
    `ExportError` where there is no room for the copy.
    """
    with path.open("rb") as file:
        head = file.read(20)
    journals = [found for end in _JOURNALS if (found := path.with_name(path.name + end)).is_file()]
    is_sqlite = head.startswith(b"SQLite format 3\x00")
    if not is_sqlite or not (journals or _WAL_MODE in head[18:20]):
        yield path
        return
    if sum(part.stat().st_size for part in (path, *journals)) > LARGEST_COPY:
        raise MapError(
            f"{path.name} is open in another program, or keeps a journal, and is too large to be copied",
            hint="Export the layer that you need to a new GeoPackage.",
        )
    with tempfile.TemporaryDirectory(prefix="cimgen-") as folder:
        try:
            for part in (path, *journals):
                durable.write_bytes(Path(folder) / part.name, part.read_bytes())
        except OSError as error:
            raise MapError(f"{path.name} cannot be copied: {error.strerror}", hint="Close it elsewhere.") from error
        yield Path(folder) / path.name
