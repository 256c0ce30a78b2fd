"""Which value of a map stands for which class: read from a table, or found from what the map says of itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import CimgenError, MapError
from cimgen_qt.core.palette import UNLABELLED, Palette
from cimgen_qt.core.raster import Labels
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
    if not path.is_file():
        raise MapError(f"{path.name} is no file", hint="Check the path of the table.")
    try:
        if path.suffix.lower() == ".toml":
            return load_toml(path)
        if path.stat().st_size > LARGEST_BYTES:
            raise MapError(f"{path.name} is too large for a table", hint="Is it the right file?")
        data = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise MapError(f"{path.name} cannot be read: {error.strerror}", hint="Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise MapError(f"{path.name} is no table: {error}", hint="Give TOML or JSON.") from error
    if not isinstance(data, dict):
        raise MapError(f"{path.name} holds no table", hint='Write {"3": "water"}.')
    return data


class ValueClasses:
    """Values that stand for classes; whole numbers of any size, so that codes such as 311 can be read."""

    def __init__(self, pairs: Mapping[int, int], everything: int | None = None) -> None:
        """`pairs` is value -> class id; `everything` the class of all values but 0, where they do not matter."""
        known = {UNLABELLED: UNLABELLED, **pairs}
        self._values = np.array(sorted(known), np.float64)
        self._ids = np.array([known[value] for value in sorted(known)], np.uint8)
        self._everything = everything

    def read(self, planes: NDArray[Any], valid: NDArray[np.bool_], unmapped: Counter[str]) -> Labels:
        """From the first plane; values of data that no class stands for are counted and become 0."""
        values = planes[0].astype(np.float64)
        if self._everything is not None:
            return np.where(valid & (values != 0), self._everything, 0).astype(np.uint8)
        place = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
        known = self._values[place] == values
        odd = values[valid & ~known]
        if odd.size:
            found, counts = np.unique(odd, return_counts=True)
            for value, count in zip(found.tolist(), counts.tolist(), strict=True):
                unmapped[f"{value:.12g}"] += count
        labels: Labels = np.where(valid & known, self._ids[place], 0).astype(np.uint8)
        return labels


def pairs_of_table(table: Mapping[str, int], names: Mapping[int, str]) -> dict[int, int]:
    """Value -> class id, from keys that are whole numbers or names that the map gives its values."""
    pairs = {value: table[name] for value, name in names.items() if name in table}
    pairs.update({int(float(key)): c for key, c in table.items() if re.fullmatch(r"-?[0-9]{1,9}(?:\.0*)?", key)})
    if not pairs:
        raise MapError("no value of the table is one of the map's", hint='Write lines like "3" = "water".')
    return pairs


def pairs_of_names(names: Mapping[int, str], palette: Palette) -> dict[int, int]:
    """Value -> class id for the names that the palette knows."""
    found = {}
    for value, name in names.items():
        try:
            found[value] = palette.find(name).id
        except CimgenError:
            continue
    return found
