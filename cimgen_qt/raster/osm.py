"""OpenStreetMap's habits: which tag means which class, what lies over what, and how wide a road is.

Widths after the defaults of robosat's RoadHandler: lanes by type, lane width, shoulders; two-way roads have the default
lanes in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ORDER = ("bare land", "crop", "vegetation", "tree", "water", "paved", "road", "rail", "building")
"""From the ground up: what comes later lies over what comes earlier."""
_LANES = {
    "motorway": (4, 3.75, 3.75),
    "trunk": (3, 3.75, 3.75),
    "primary": (2, 3.75, 2.0),
    "secondary": (1, 3.5, 0.75),
    "tertiary": (1, 3.5, 0.75),
    "residential": (1, 3.5, 0.75),
    "unclassified": (1, 3.5, 0.0),
    "service": (1, 3.0, 0.0),
    "motorway_link": (2, 3.75, 3.75),
    "trunk_link": (2, 3.75, 1.25),
    "primary_link": (1, 3.75, 0.75),
    "secondary_link": (1, 3.5, 0.75),
    "tertiary_link": (1, 3.5, 0.75),
    "living_street": (1, 3.5, 0.0),
}
"""By highway: lanes one way, metres of a lane, metres of both shoulders."""
_PATHS = {"footway": 1.5, "path": 1.0, "cycleway": 2.0, "track": 2.5, "steps": 1.5, "pedestrian": 4.0, "bridleway": 1.5}
_VALUES = {
    "natural": {"water": "water", "wood": "tree", "tree": "tree", "tree_row": "tree", "scrub": "vegetation",
                "grassland": "vegetation", "heath": "vegetation", "sand": "bare land", "bare_rock": "bare land",
                "beach": "bare land"},
    "landuse": {"forest": "tree", "grass": "vegetation", "meadow": "vegetation", "farmland": "crop", "orchard": "crop",
                "vineyard": "crop", "reservoir": "water", "basin": "water", "quarry": "bare land",
                "recreation_ground": "vegetation", "construction": "bare land"},
    "leisure": {"park": "vegetation", "garden": "vegetation", "pitch": "vegetation"},
    "amenity": {"parking": "paved"},
}  # fmt: skip
KEYS = ("building", "railway", "highway", "waterway", *_VALUES)
NARROWEST = 1.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """The class of a feature, its width where it is a line (None: that of the class), its level above others."""

    name: str
    width: float | None = None
    level: int = 0


def meaning_of(tags: Mapping[str, Any]) -> Meaning | None:
    """None for what is no ground of ours: unknown tags, and roads and rails in tunnels."""
    level = _whole(tags.get("layer"))
    if _text(tags.get("tunnel")) in ("yes", "true", "building_passage"):
        return None
    if _text(tags.get("building")) not in ("", "no"):
        return Meaning("building", None, level)
    if _text(tags.get("railway")) in ("rail", "light_rail", "tram", "narrow_gauge"):
        return Meaning("rail", _metres(tags.get("width")), level)
    if _text(tags.get("highway")):
        width = road_width(tags)
        return None if width is None else Meaning("road", width, level)
    if _text(tags.get("waterway")) in ("river", "stream", "canal", "ditch", "drain", "riverbank"):
        default = {"river": 12.0, "canal": 8.0, "stream": 2.0}.get(_text(tags.get("waterway")), 1.0)
        return Meaning("water", _metres(tags.get("width")) or default, level)
    for key, values in _VALUES.items():
        if _text(tags.get(key)) in values:
            return Meaning(values[_text(tags.get(key))], None, level)
    return None


def road_width(tags: Mapping[str, Any]) -> float | None:
    """Metres: the `width` tag, else lanes times lane width and shoulders, at least 1; None for what is no road."""
    told = _metres(tags.get("width"))
    if told is not None:
        return max(NARROWEST, told)
    kind = _text(tags.get("highway"))
    if kind in _PATHS:
        return _PATHS[kind]
    if kind not in _LANES:
        return None
    lanes, lane, shoulders = _LANES[kind]
    if _text(tags.get("oneway")) in ("", "no", "false", "0") and kind != "motorway":
        lanes *= 2
    explicit = _whole(tags.get("lanes"))
    return max(NARROWEST, (explicit or lanes) * lane + shoulders)


def _metres(value: Any) -> float | None:
    """ "7.5", "7,5 m", "24'" or "24 ft"; None for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*(m|metres?|meters?|ft|feet|')?\s*", _text(value))
    if not found:
        return None
    number: float = float(found.group(1).replace(",", "."))
    return number * 0.3048 if found.group(2) in ("ft", "feet", "'") else number


def _whole(value: Any) -> int:
    text = _text(value)
    return int(float(text)) if re.fullmatch(r"-?\d{1,3}(\.0)?", text) else 0


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip().lower()  # noqa: PLR0124 - NaN
