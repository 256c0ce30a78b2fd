"""Which value of a map stands for which class: read from a table, or found from what the map says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import CimgenError, MapError
from cimgen_qt.core.palette import UNLABELLED, Palette
from cimgen_qt.core.toml import load_toml

LARGEST_BYTES = 4 * 2**20


def load_table(path: Path, palette: Palette) -> dict[str, int]:
    """Read `{"3": "water", "house": 1}` as JSON, or the same as TOML (at the top or under `[table]`).

    Keys are values of the map as text, values are names or ids of classes; "" and null mean unlabelled. Raises
    `MapError`.
    """
    data = _read(path)
    table = data.get("table", data)
    if not isinstance(table, dict) or not table:
        raise MapError(f"{path.name} holds no table", hint='Write lines like "3" = "water".')
    return {str(value): _class_id(name, palette) for value, name in table.items()}


def _class_id(name: Any, palette: Palette) -> int:
    return UNLABELLED if name in ("", None, 0) else palette.find(str(name)).id


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".toml":
        return load_toml(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise MapError(f"{path.name} is too large for a table", hint="Is it the right file?")
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MapError(f"{path.name} cannot be read: {error.strerror}", hint="Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise MapError(f"{path.name} is no table: {error}", hint="Give TOML or JSON.") from error
    if not isinstance(data, dict):
        raise MapError(f"{path.name} holds no table", hint='Write {"3": "water"}.')
    return data


def table_from_names(names: Mapping[int, str], palette: Palette) -> dict[int, int]:
    """Value -> class id for the names that the palette knows."""
    found = {}
    for value, name in names.items():
        try:
            found[value] = palette.find(name).id
        except CimgenError:
            continue
    return found
