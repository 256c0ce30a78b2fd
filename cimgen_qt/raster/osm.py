"""OpenStreetMap's habits: which tag means which class, what lies over what, and how wide a road is.

Widths after the defaults of robosat's RoadHandler: lanes by type, lane width, shoulders; two-way roads have the default
lanes in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ORDER = ("bare land", "crop", "water", "vegetation", "tree", "paved", "road", "rail", "building")
"""From the ground up: what comes later lies over what comes earlier."""
LAND_USE = 0
"""The place below all of `ORDER`: of areas that say what ground is used for, not what stands on it."""
STAND_INS = {"tree": "vegetation", "crop": "vegetation", "paved": "road"}
"""What a palette may have instead of a class."""
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
_WATERWAYS = {"river": 12.0, "riverbank": 12.0, "canal": 8.0, "stream": 2.0, "ditch": 1.0, "drain": 1.0}
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
DETAILS = ("width", "lanes", "oneway", "tunnel", "location", "layer")
OTHER = "other_tags"
"""The column in which GDAL leaves the tags that have none of their own."""
NARROWEST = 1.0
FOOT = 0.3048
MOST_LANES = 24
WIDEST = 500.0
"""A `width` beyond this is a slip."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The class of a feature, its width where it is a line (None: that of the class), its level above others.

    `rank` is its place in `ORDER`, counted from 1, or `LAND_USE`.
    """

    name: str
    width: float | None = None
    level: int = 0
    rank: int = LAND_USE


def meaning_of(tags: Mapping[str, Any]) -> Meaning | None:
    """None for what is no ground of ours: unknown tags, and what lies in a tunnel or under the ground."""
    if _text(tags.get("tunnel")) not in ("", "no") or _text(tags.get("location")) == "underground":
        return None
    found = _class_of(tags)
    if found is None:
        return None
    name, width, is_land_use = found
    rank = LAND_USE if is_land_use else ORDER.index(name) + 1
    return Meaning(name, width, _whole(tags.get("layer")), rank)


def _class_of(tags: Mapping[str, Any]) -> tuple[str, float | None, bool] | None:
    """Name, width, and whether it is a mere use of the land."""
    if _text(tags.get("building")) not in ("", "no"):
        return "building", None, False
    if _text(tags.get("railway")) in ("rail", "light_rail", "tram", "narrow_gauge"):
        return "rail", _metres(tags.get("width")), False
    if _text(tags.get("highway")):
        width = road_width(tags)
        return None if width is None else ("road", width, False)
    waterway = _text(tags.get("waterway"))
    if waterway in _WATERWAYS:
        return "water", _metres(tags.get("width")) or _WATERWAYS[waterway], False
    for key, values in _VALUES.items():
        name = values.get(_text(tags.get(key)))
        if name is not None:
            return name, None, key in ("landuse", "leisure") and name != "water"
    return None


def all_tags(tags: Mapping[str, Any]) -> dict[str, Any]:
    """The tags of a feature, with those of GDAL's column for others (`"lanes"=>"2","oneway"=>"yes"`)."""
    others = dict(re.findall(r'"([^"\\]+)"=>"((?:[^"\\]|\\.)*)"', str(tags.get(OTHER) or "")))
    return {**others, **{key: value for key, value in tags.items() if key != OTHER and _text(value)}}


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
    return max(NARROWEST, (explicit if 0 < explicit <= MOST_LANES else lanes) * lane + shoulders)


def _metres(value: Any) -> float | None:
    """ "7.5", "7,5 m", "24'", "6'4\"" or "24 ft"; None for anything else, and for what no width can be."""
    text = _text(value)
    found = re.fullmatch(r"(\d{1,5}(?:[.,]\d{1,6})?)\s*(m|metres?|meters?|ft|feet|')?", text)
    inches = re.fullmatch(r"(\d{1,4})'\s*(\d{1,2})(?:\"|'')", text)
    if inches:
        metres = int(inches.group(1)) * FOOT + int(inches.group(2)) * FOOT / 12
    elif found:
        metres = float(found.group(1).replace(",", ".")) * (FOOT if found.group(2) in ("ft", "feet", "'") else 1.0)
    else:
        return None
    return metres if 0 < metres <= WIDEST else None


def _whole(value: Any) -> int:
    text = _text(value)
    return int(float(text)) if re.fullmatch(r"-?\d{1,3}(\.0)?", text) else 0


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip().lower()  # noqa: PLR0124 - NaN
