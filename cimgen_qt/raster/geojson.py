"""Read GeoJSON without GDAL, which follows links in it and runs commands that look like it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cimgen_qt.core.errors import MapError

LARGEST_BYTES = 256 * 2**20
"""Beyond this a GeoPackage, of which a part can be read, is the better file."""
LONGITUDE_LATITUDE = "EPSG:4326"
"""As GDAL takes it here: longitude first."""
_SHAPES = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
_NAMED = re.compile(r"(?:urn:(?:ogc:def|x-ogc:def):crs:)?(EPSG|OGC):(?:[0-9.]*:)?([0-9A-Za-z]{1,10})", re.IGNORECASE)
_HINT = "Give a GeoJSON file with features: RFC 7946."


def read_geojson(path: Path) -> tuple[Any, dict[str, Any], str]:
    """Geometries (None where one cannot be understood), columns by name, CRS (such as "EPSG:4326").

    A `crs` member with a name is heeded, one with a link refused. Raises `MapError`.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise MapError(f"{path.name} is too large for GeoJSON", hint="Save it as a GeoPackage.")
    try:
        data = json.loads(path.read_text("utf-8-sig"))
        features = list(_features(data, path))
        texts = [None if shape is None else json.dumps(shape) for shape, _ in features]
    except (ValueError, RecursionError) as error:
        raise MapError(f"{path.name} is no GeoJSON: {error}", hint=_HINT) from error
    shapes = shapely.from_geojson(np.array(texts, dtype=object), on_invalid="ignore")
    return shapes, _columns([properties for _, properties in features]), _crs_of(data, path)


def _features(data: Any, path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "FeatureCollection" and isinstance(data.get("features"), list):
        for feature in data["features"]:
            yield from _features(feature, path)
    elif kind == "Feature":
        properties = data.get("properties")
        yield data.get("geometry"), properties if isinstance(properties, dict) else {}
    elif isinstance(kind, str) and kind in _SHAPES:
        yield data, {}
    else:
        raise MapError(f"{path.name} is no GeoJSON", hint=_HINT)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return {name: np.array([_plain(row.get(name)) for row in rows] + [None], dtype=object)[:-1] for name in names}


def _plain(value: Any) -> Any:
    """Lists and objects as text: a column holds single values."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _crs_of(data: dict[str, Any], path: Path) -> str:
    member = data.get("crs")
    if member is None:
        return LONGITUDE_LATITUDE
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    found = _NAMED.fullmatch(name.strip()) if isinstance(name, str) else None
    if found is None:
        raise MapError(f"the CRS of {path.name} has no name that is known", hint="Save it in longitude and latitude.")
    authority, code = found.group(1).upper(), found.group(2).upper()
    return LONGITUDE_LATITUDE if authority == "OGC" else f"{authority}:{code}"
