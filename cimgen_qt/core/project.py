"""The `.cimgen` file: one SQLite database and valid GeoPackage that holds every act of the user, appended."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core import gpkg, schema
from cimgen_qt.core.chunks import Key, chunk_window
from cimgen_qt.core.durable import Lock
from cimgen_qt.core.errors import CimgenError, ProjectError
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import RasterInfo

CACHE_BYTES = 192 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Act:
    """One thing the user did. `data` is what it takes to tell, or to do it again."""

    id: int
    kind: str
    time: str
    data: Mapping[str, Any]


class Project:
    """Appends acts and reads chunk versions. Safe to share between threads; one process at a time may write.

    The present is, for every chunk, the newest version at or below the head act. Undo moves the head; a new act drops
    the acts above it.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, lock: Lock | None) -> None:
        self.path = path
        self._db = db
        self._file_lock = lock
        self._mutex = threading.RLock()
        self._cache: OrderedDict[tuple[str, Key, int], NDArray[Any]] = OrderedDict()
        self._cached = 0
        facts = dict(db.execute("SELECT key, value FROM cimgen"))
        self.info: RasterInfo = schema.info_from_json(json.loads(facts["image"]))
        self.palette: Palette = Palette.from_json(json.loads(facts["palette"]))
        self.srs_id = int(facts["srs_id"])

    @property
    def grid(self) -> Grid:
        return self.info.grid

    @property
    def read_only(self) -> bool:
        return self._file_lock is None

    # --- opening and closing -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path, info: RasterInfo, palette: Palette, source: schema.Source) -> Project:
        """Make a new file at `path`, which must not exist or be empty. Raises `ProjectError`."""
        if path.exists() and path.stat().st_size:
            raise ProjectError(f"{path.name} exists already", hint="Choose another name, or open it.")
        lock = Lock(path)
        lock.acquire()
        try:
            db = schema.connect(path, read_only=False)
            with schema.transaction(db):
                schema.create(db, info, palette.to_json(), source)
            return cls(path, db, lock)
        except sqlite3.Error as error:
            lock.release()
            raise ProjectError(f"{path.name} cannot be made: {error}", hint="Is the folder writable?") from error
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Project:
        """Open an existing project. Raises `ProjectError`: no project, damaged, held by another program, too new."""
        if not path.is_file():
            raise ProjectError(f"there is no project {path}", hint="Make one with `cimgen new`.")
        schema.require_database(path)
        lock = None if read_only else Lock(path)
        if lock is not None:
            lock.acquire()
        try:
            db = schema.connect(path, read_only)
            schema.check(db, path, read_only)
            return cls(path, db, lock)
        except (sqlite3.Error, KeyError, ValueError, TypeError) as error:
            if lock is not None:
                lock.release()
            raise ProjectError(
                f"{path.name} is damaged or no CIMGen project ({error})", hint="Take a copy from your backup."
            ) from error
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def close(self) -> None:
        """Harmless when called twice."""
        with self._mutex:
            if self._file_lock is not None and self._file_lock.held:
                with suppress(sqlite3.OperationalError):  # somebody is reading: then the journal stays beside the file
                    self._db.execute("PRAGMA journal_mode = DELETE")
            self._db.close()
            if self._file_lock is not None:
                self._file_lock.release()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- acts ----------------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The act that the present stands at; 0 before the first."""
        with self._mutex:
            return int(self._db.execute("SELECT head FROM head").fetchone()[0])

    def acts(self) -> tuple[Act, ...]:
        """All acts, undone ones (above the head) included."""
        with self._mutex:
            rows = self._db.execute("SELECT id, kind, time, data FROM acts ORDER BY id").fetchall()
        return tuple(Act(i, kind, time, json.loads(data)) for i, kind, time, data in rows)

    @contextmanager
    def act(self, kind: str, data: Mapping[str, Any]) -> Iterator[ActWriter]:
        """One transaction: all that is put in it stands on disk afterwards, or, where it raises, nothing."""
        if self.read_only:
            raise ProjectError(f"{self.path.name} is open read-only", hint="Close it in the other program first.")
        with self._mutex, _readable(self.path), schema.transaction(self._db):
            schema.drop_undone(self._db)
            time = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            cursor = self._db.execute(
                "INSERT INTO acts (kind, time, data) VALUES (?, ?, ?)", (kind, time, json.dumps(data, sort_keys=True))
            )
            number = int(cursor.lastrowid or 0)
            yield ActWriter(self._db, number, kind, time, self.srs_id)
            self._db.execute("UPDATE head SET head = ?", (number,))

    @property
    def floor(self) -> int:
        """The act that undo stops at: what the project was made with is not undone."""
        with self._mutex:
            row = self._db.execute("SELECT value FROM cimgen WHERE key = 'floor'").fetchone()
        return 0 if row is None else int(row[0])

    def set_floor(self) -> None:
        """Make the present the place that undo stops at."""
        with self._mutex, _readable(self.path), schema.transaction(self._db):
            self._db.execute("INSERT OR REPLACE INTO cimgen VALUES ('floor', ?)", (str(self.head),))

    def step(self, back: bool) -> Act | None:
        """Undo (`back`) or redo one act; returns it, or None where there is none."""
        if self.read_only:
            raise ProjectError(f"{self.path.name} is open read-only", hint="Close it in the other program first.")
        with self._mutex, _readable(self.path), schema.transaction(self._db):
            head = self.head
            act = next((a for a in self.acts() if (a.id == head if back else a.id > head)), None)
            if act is None or (back and act.id <= self.floor):
                return None
            before = self._db.execute("SELECT COALESCE(MAX(id), 0) FROM acts WHERE id < ?", (act.id,)).fetchone()[0]
            self._db.execute("UPDATE head SET head = ?", (before if back else act.id,))
            return act

    def can_step(self, back: bool) -> bool:
        """Whether there is something to undo (`back`) or to redo."""
        with self._mutex:
            if back:
                return self.head > self.floor
            return bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM acts WHERE id > ?)", (self.head,)).fetchone()[0])

    # --- chunks --------------------------------------------------------------------------------------------------

    def read_chunk(self, layers: Sequence[str], key: Key, revision: int) -> NDArray[Any] | None:
        """The newest version among `layers` at or below `revision`, read-only; None: none, or a cleared one."""
        marks = ", ".join("?" * len(layers))
        with self._mutex:
            row = self._db.execute(
                f"SELECT layer, act FROM chunks WHERE layer IN ({marks}) AND row = ? AND col = ? AND act <= ? "
                "ORDER BY act DESC LIMIT 1",
                (*layers, *key, revision),
            ).fetchone()
            return None if row is None else self._load(row[0], key, row[1])

    def keys(self, layers: Sequence[str], revision: int) -> list[Key]:
        """Chunks that have a version in one of `layers` at or below `revision`, row by row."""
        marks = ", ".join("?" * len(layers))
        with self._mutex:
            query = f"SELECT DISTINCT row, col FROM chunks WHERE layer IN ({marks}) AND act <= ? ORDER BY row, col"
            return [(row, col) for row, col in self._db.execute(query, (*layers, revision))]

    def touched(self, act: int) -> tuple[Window, frozenset[str]]:
        """The window round all chunks that an act wrote, and their layers."""
        window, layers = Window(0, 0, 0, 0), set()
        marks = ", ".join("?" * len(schema.LAYERS))
        query = f"SELECT layer, row, col FROM chunks WHERE act = ? AND layer IN ({marks})"
        with self._mutex:
            for layer, row, col in self._db.execute(query, (act, *schema.LAYERS)):
                window = window.union(chunk_window((row, col), self.grid))
                layers.add(layer)
        return window, frozenset(layers)

    def _load(self, layer: str, key: Key, act: int) -> NDArray[Any] | None:
        version = (layer, key, act)  # never used twice: numbers of acts are not given out again
        if version in self._cache:
            self._cache.move_to_end(version)
            return self._cache[version]
        query = "SELECT data FROM chunks WHERE layer = ? AND row = ? AND col = ? AND act = ?"
        blob = self._db.execute(query, (layer, *key, act)).fetchone()[0]
        if blob is None:
            return None
        array = self._decode(blob, layer, key)
        self._cache[version] = array
        self._cached += array.nbytes
        while self._cached > CACHE_BYTES:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return array

    def _decode(self, blob: bytes, layer: str, key: Key) -> NDArray[Any]:
        shape: tuple[int, ...] = chunk_window(key, self.grid).shape
        if layer == "pixels":
            shape = (*shape, self.info.bands)
        try:
            array = np.frombuffer(zlib.decompress(blob), self.dtype(layer)).reshape(shape)
        except (zlib.error, ValueError) as error:
            raise ProjectError(
                f"{self.path.name} is damaged in layer {layer}", hint="Undo, or use a backup."
            ) from error
        return array

    def dtype(self, layer: str) -> np.dtype[Any]:
        """Little-endian dtype that the chunks of a layer are stored in."""
        name = self.info.dtype if layer == "pixels" else schema.LAYERS[layer]
        little: np.dtype[Any] = np.dtype(name).newbyteorder("<")
        return little

    def attachment(self, name: str, revision: int) -> bytes | None:
        """The newest version of an attachment at or below `revision`; None: none, or one that was dropped."""
        query = "SELECT data FROM chunks WHERE layer = ? AND act <= ? ORDER BY act DESC LIMIT 1"
        with self._mutex:
            row = self._db.execute(query, (schema.ATTACHMENT + name, revision)).fetchone()
        return None if row is None else row[0]

    def attachments(self, name: str) -> Iterator[bytes]:
        """Every version that there was, the newest first, undone ones too."""
        query = "SELECT data FROM chunks WHERE layer = ? AND data IS NOT NULL ORDER BY act DESC"
        with self._mutex:
            rows = self._db.execute(query, (schema.ATTACHMENT + name,)).fetchall()
        yield from (row[0] for row in rows)

    # --- what else is kept ---------------------------------------------------------------------------------------

    def source(self, role: str = "image") -> schema.Source | None:
        """Where the image (or `map`) came from."""
        with self._mutex:
            return schema.read_source(self._db, role)

    def set_source(self, role: str, source: schema.Source) -> None:
        """Record where a source lies now. It is no act: undo does not move files back."""
        with self._mutex, _readable(self.path), schema.transaction(self._db):
            schema.write_source(self._db, role, source)

    def change_rows(self, revision: int) -> list[tuple[Any, ...]]:
        """Rows of the change log at or below `revision`, in the order of `schema.CHANGE_COLUMNS`."""
        with self._mutex:
            columns = ", ".join(schema.CHANGE_COLUMNS)
            query = f"SELECT {columns} FROM change_log WHERE act <= ? ORDER BY fid"
            return self._db.execute(query, (revision,)).fetchall()


@dataclass(frozen=True, slots=True)
class ActWriter:
    """What goes into one act."""

    _db: sqlite3.Connection
    number: int
    kind: str
    time: str
    srs_id: int

    def put(self, layer: str, key: Key, array: NDArray[Any] | None) -> None:
        """A new version of a chunk; None clears it, so that what lies below shows again."""
        blob = None
        if array is not None:
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            blob = zlib.compress(little.tobytes(), 1)
        self._db.execute(
            "INSERT INTO chunks (layer, row, col, act, data) VALUES (?, ?, ?, ?, ?)", (layer, *key, self.number, blob)
        )

    def attach(self, name: str, data: bytes | None) -> None:
        """A new version of an attachment, such as an adapter; None drops it. Undo brings the one before back."""
        self._db.execute(
            "INSERT INTO chunks (layer, row, col, act, data) VALUES (?, 0, 0, ?, ?)",
            (schema.ATTACHMENT + name, self.number, data),
        )

    def change(self, row: Mapping[str, Any], polygons: Sequence[gpkg.Rings]) -> None:
        """One row of the change table; `polygons` in map coordinates."""
        values = {**row, "act": self.number, "kind": self.kind, "time": self.time}
        values["geom"] = gpkg.multipolygon(polygons, self.srs_id)
        marks = ", ".join("?" * len(schema.CHANGE_COLUMNS))
        self._db.execute(
            f"INSERT INTO change_log ({', '.join(schema.CHANGE_COLUMNS)}) VALUES ({marks})",
            [values.get(column) for column in schema.CHANGE_COLUMNS],
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a database's complaint into one that a user can follow."""
    try:
        yield
    except CimgenError:
        raise
    except sqlite3.Error as error:
        raise ProjectError(
            f"{path.name} cannot be written: {error}",
            hint="Is the disk full, or the folder read-only? Nothing was lost.",
        ) from error
