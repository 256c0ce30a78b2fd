"""The GeoPackage side of a project file: its tables, its coordinate systems and its geometry blobs (OGC 12-128r18)."""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Sequence

Rings = Sequence[Sequence[tuple[float, float]]]
"""Outer ring and holes of a polygon in map coordinates (x, y), closed."""

APPLICATION_ID = 0x47504B47
VERSION = 10300
UNDEFINED_CARTESIAN = -1
_OWN_SRS = 100_000

_TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
"""
_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)


def create_tables(db: sqlite3.Connection, crs: str | None) -> int:
    """Make an empty GeoPackage of a fresh database; returns the srs_id of `crs` (WKT)."""
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    for statement in _TABLES.strip().split(";\n"):
        db.execute(statement)
    rows = [
        ("Undefined Cartesian", -1, "NONE", -1, "undefined", "pixel coordinates or an unknown position"),
        ("Undefined geographic", 0, "NONE", 0, "undefined", None),
        ("WGS 84", 4326, "EPSG", 4326, _WGS84, None),
    ]
    srs_id = UNDEFINED_CARTESIAN if crs is None else _srs_id(crs)
    if crs is not None and srs_id != 4326:
        name = re.search(r'"([^"]*)"', crs)
        organisation, code = ("EPSG", srs_id) if srs_id != _OWN_SRS else ("NONE", _OWN_SRS)
        rows.append((name.group(1) if name else "unnamed", srs_id, organisation, code, crs, None))
    db.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", rows)
    return srs_id


def register_features(db: sqlite3.Connection, table: str, column: str, srs_id: int, description: str) -> None:
    """Tell readers that `table` (or view) holds polygons."""
    db.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
        "VALUES (?, 'features', ?, ?, ?)",
        (table, table, description, srs_id),
    )
    db.execute("INSERT INTO gpkg_geometry_columns VALUES (?, ?, 'MULTIPOLYGON', ?, 0, 0)", (table, column, srs_id))


def _srs_id(crs: str) -> int:
    """The EPSG code that closes the WKT, else a number of our own."""
    found = re.search(r'(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$', crs.strip(), re.IGNORECASE)
    return int(found.group(1)) if found else _OWN_SRS


def multipolygon(polygons: Sequence[Rings], srs_id: int) -> bytes:
    """GeoPackage binary (little-endian, with envelope) of a multipolygon."""
    points = [p for rings in polygons for ring in rings for p in ring]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    envelope = struct.pack("<4d", min(xs), max(xs), min(ys), max(ys))
    header = b"GP\x00\x03" + struct.pack("<i", srs_id) + envelope
    body = b"".join(_polygon(rings) for rings in polygons)
    return header + struct.pack("<BII", 1, 6, len(polygons)) + body


def _polygon(rings: Rings) -> bytes:
    parts = [struct.pack("<BII", 1, 3, len(rings))]
    for ring in rings:
        parts.append(struct.pack("<I", len(ring)))
        parts.append(struct.pack(f"<{2 * len(ring)}d", *(v for point in ring for v in point)))
    return b"".join(parts)


def polygons_of(blob: bytes) -> list[list[list[tuple[float, float]]]]:
    """Read back what `multipolygon` wrote."""
    at = 8 + 32 + 5
    (count,) = struct.unpack_from("<I", blob, at)
    at += 4
    polygons = []
    for _ in range(count):
        (ring_count,) = struct.unpack_from("<I", blob, at + 5)
        at += 9
        rings = []
        for _ in range(ring_count):
            (number,) = struct.unpack_from("<I", blob, at)
            flat = struct.unpack_from(f"<{2 * number}d", blob, at + 4)
            rings.append(list(zip(flat[::2], flat[1::2], strict=True)))
            at += 4 + 16 * number
        polygons.append(rings)
    return polygons
