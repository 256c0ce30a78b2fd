"""Which class a feature stands for: by a field, by one name for all, or by OpenStreetMap's tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.palette import UNLABELLED, Palette, SemanticClass
from cimgen_qt.raster import osm
from cimgen_qt.raster.shapes_in import Features


@dataclass(frozen=True, slots=True)
class Meant:
    """`width` is in metres, where the feature is a line; of two features the one of the higher `order` is seen."""

    class_id: int
    width: float | None = None
    order: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that no class stands for."""

    value: str


Meanings = list["Meant | Unknown | None"]
"""One for each feature; None for what is no ground at all."""


def meanings_of(
    path: Path,
    features: Features,
    palette: Palette,
    field: str | None,
    class_name: str | None,
    table: Mapping[str, int] | None,
) -> Meanings:
    """Raises `MapError` where nothing tells what the features are."""
    columns = features.columns
    if field is not None:
        if field not in columns:
            raise MapError(f"{path.name} has no field {field!r}", hint=f"It has: {', '.join(columns) or 'none'}.")
        return [_by_value(_text(value), palette, table) for value in columns[field]]
    if table is not None:
        raise MapError("a table needs the field whose values it tells", hint="Give --field as well.")
    if class_name is not None:
        return [_meant(palette.find(class_name))] * len(features.shapes)
    if not set(columns) & {*osm.KEYS, osm.OTHER}:
        raise MapError(
            f"which class are the features of {path.name}?",
            hint=f"Give --class NAME, or --field with one of: {', '.join(columns) or 'it has no fields'}.",
        )
    tags = [key for key in (*osm.KEYS, *osm.DETAILS, osm.OTHER) if key in columns]
    return [_by_tags({key: columns[key][n] for key in tags}, palette) for n in range(len(features.shapes))]


def _by_value(text: str, palette: Palette, table: Mapping[str, int] | None) -> Meant | Unknown:
    if table is not None:
        class_id = table.get(text)
        known = None if class_id is None else palette.get(class_id)
        if class_id == UNLABELLED:
            return Meant(UNLABELLED)
    else:
        known = next((c for c in palette if text.casefold() in _names(c)), None)
    return Unknown(text or "(empty)") if known is None else _meant(known)


def _by_tags(tags: Mapping[str, Any], palette: Palette) -> Meant | Unknown | None:
    meaning = osm.meaning_of(osm.all_tags(tags))
    if meaning is None:
        return None
    for name in (meaning.name, osm.STAND_INS.get(meaning.name)):
        known = next((c for c in palette if name in _names(c)), None)
        if known is not None:
            return Meant(known.id, meaning.width or known.width, (meaning.level, meaning.rank))
    return Unknown(meaning.name)


def _meant(known: SemanticClass) -> Meant:
    """With the place of its class in the order from the ground up; classes that it does not name lie lowest."""
    names = _names(known)
    rank = next((n for n, name in enumerate(osm.ORDER, start=1) if name in names), 0)
    return Meant(known.id, known.width, (0, rank))


def _names(known: SemanticClass) -> set[str]:
    return {known.name.casefold(), str(known.id), *(a.casefold() for a in known.aliases)}


def _text(value: Any) -> str:
    """As in a table: whole numbers without a point, nothing for what is missing."""
    if value is None:
        return ""
    try:
        number = float(value) if not isinstance(value, str | bytes) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number) and not isinstance(value, bool):
        return str(int(number)) if number == int(number) else f"{number:.12g}"
    return "" if value != value else str(value).strip()  # noqa: PLR0124 - NaN
