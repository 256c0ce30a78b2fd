"""Tables of the `.cimgen` file, how it is opened, and the plain values that are kept in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cimgen_qt.core import gpkg
from cimgen_qt.core.errors import ProjectError
from cimgen_qt.core.grid import Grid
from cimgen_qt.core.raster import RasterInfo

SCHEMA_VERSION = 1
LAYERS = {"map": "uint8", "labels": "uint8", "pixels": "", "origin": "uint8", "made": "uint8", "maker": "int32"}
"""dtype of each layer; `pixels` has the dtype and the bands of the photo.

map: the original classes; labels: the edited ones; origin: 0 photo, 1 generated, 2 blended; made: the class that a
generated pixel was made for; maker: number of the act that made it, 0 for none.
"""
ATTACHMENT = "attachment:"
"""Begins the layer of what is kept whole, in chunk (0, 0): versions and undo are those of chunks."""
CHANGE_COLUMNS = (
    "act", "kind", "class_from", "class_to", "pixels", "area_m2", "model", "model_sha256", "seed", "time", "geom",
)  # fmt: skip

_TABLES = """
CREATE TABLE cimgen (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE head (head INTEGER NOT NULL);
CREATE TABLE acts (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, time TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE chunks (id INTEGER PRIMARY KEY, layer TEXT NOT NULL, row INTEGER NOT NULL, col INTEGER NOT NULL,
  act INTEGER NOT NULL, data BLOB, UNIQUE (layer, row, col, act));
CREATE INDEX chunks_by_act ON chunks (act);
CREATE TABLE sources (role TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE change_log (fid INTEGER PRIMARY KEY AUTOINCREMENT, act INTEGER NOT NULL, kind TEXT NOT NULL,
  class_from TEXT, class_to TEXT, pixels INTEGER, area_m2 DOUBLE, model TEXT, model_sha256 TEXT, seed INTEGER,
  time TEXT, geom BLOB);
CREATE VIEW changes AS SELECT fid AS OGC_FID, geom, act, kind, class_from, class_to, pixels, area_m2, model,
  model_sha256, seed, time FROM change_log WHERE act <= (SELECT head FROM head);
INSERT INTO head VALUES (0);
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that the project refers to: how it was called, and what it takes to know it again.

    `relative` is the path from the project's folder, kept so that both can be moved together.
    """

    absolute: str
    relative: str
    size: int
    mtime_ns: int
    digest: str

    def candidates(self, project: Path) -> list[Path]:
        """Where to look, the nearest first."""
        return list(dict.fromkeys([(project.parent / self.relative).resolve(), Path(self.absolute)]))


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open with one transaction an act, each on disk before it is reported."""
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"file:{quote(str(path.resolve()))}?mode={mode}",
        uri=True,
        timeout=10,
        isolation_level=None,
        check_same_thread=False,
    )
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    return db


def require_database(path: Path) -> None:
    """Raises `ProjectError` unless the file begins as SQLite's do: an empty one would be taken for a new database."""
    try:
        with path.open("rb") as file:
            begins = file.read(16)
    except OSError as error:
        raise ProjectError(f"{path.name} cannot be read: {error.strerror}", hint="Check its permissions.") from error
    if begins != b"SQLite format 3\x00":
        raise ProjectError(f"{path.name} is no CIMGen project", hint="Make one with `cimgen new`.")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def create(db: sqlite3.Connection, info: RasterInfo, palette: Any, source: Source) -> None:
    """Lay out an empty project."""
    srs_id = gpkg.create_tables(db, info.grid.crs)
    for statement in _TABLES.strip().split(";\n"):
        db.execute(statement)
    facts = {"version": SCHEMA_VERSION, "srs_id": srs_id, "image": info_to_json(info), "palette": palette}
    db.executemany("INSERT INTO cimgen VALUES (?, ?)", [(key, json.dumps(value)) for key, value in facts.items()])
    gpkg.register_features(db, "changes", "geom", srs_id, "Ground whose class was changed with CIMGen")
    write_source(db, "image", source)


def check(db: sqlite3.Connection, path: Path, read_only: bool) -> None:
    """Raises `ProjectError` where the file is another kind of GeoPackage, or too new to write to."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "cimgen" not in tables:
        raise ProjectError(f"{path.name} is no CIMGen project", hint="Make one with `cimgen new`.")
    version = int(json.loads(db.execute("SELECT value FROM cimgen WHERE key = 'version'").fetchone()[0]))
    if version > SCHEMA_VERSION and not read_only:
        raise ProjectError(
            f"{path.name} was made by a newer CIMGen (format {version}, this one writes {SCHEMA_VERSION})",
            hint="Update CIMGen, or open it read-only.",
        )


def drop_undone(db: sqlite3.Connection) -> None:
    """Forget the acts above the head, which a new act replaces."""
    for table, column in (("chunks", "act"), ("change_log", "act"), ("acts", "id")):
        db.execute(f"DELETE FROM {table} WHERE {column} > (SELECT head FROM head)")


def read_source(db: sqlite3.Connection, role: str) -> Source | None:
    row = db.execute("SELECT value FROM sources WHERE role = ?", (role,)).fetchone()
    return None if row is None else Source(**json.loads(row[0]))


def write_source(db: sqlite3.Connection, role: str, source: Source) -> None:
    db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (role, json.dumps(asdict(source))))


def info_to_json(info: RasterInfo) -> dict[str, Any]:
    """Plain values; the path is left out, for it is the business of `sources`."""
    grid = {
        "width": info.grid.width,
        "height": info.grid.height,
        "transform": info.grid.transform,
        "crs": info.grid.crs,
    }
    nodata = [None if value is None else repr(float(value)) for value in info.nodata]
    return {**asdict(info), "grid": grid, "path": "", "nodata": nodata}


def info_from_json(data: Mapping[str, Any]) -> RasterInfo:
    """The inverse of `info_to_json`."""
    grid = Grid(**{**data["grid"], "transform": tuple(data["grid"]["transform"])})
    nodata = tuple(None if value is None else float(value) for value in data["nodata"])
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    plain |= {"grid": grid, "nodata": nodata}
    return RasterInfo(**plain)
