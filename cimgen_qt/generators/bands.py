"""Which band of a photo a model means by red, green, blue, nir or a number."""

from __future__ import annotations

from collections.abc import Sequence

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.raster import RasterInfo

COMMON_ORDER = ("red", "green", "blue", "nir")
"""Taken where the file names no band."""
_SYNONYMS = {
    "r": "red",
    "g": "green",
    "b": "blue",
    "near infrared": "nir",
    "near-infrared": "nir",
    "near_infrared": "nir",
    "infrared": "nir",
    "grey": "gray",
    "pan": "gray",
    "panchromatic": "gray",
}


def _plain(name: str) -> str:
    text = name.strip().casefold()
    return _SYNONYMS.get(text, text)


def find_bands(names: Sequence[str], info: RasterInfo) -> list[int | None]:
    """Index from 0 of each named band, None where the photo has none such.

    Numbers count from 1. Names go by the file's colour interpretation, then by its band descriptions; where both are
    silent, by the common order. The alpha band is never meant. A photo of one band is red, green and blue at once.
    """
    colours = [_plain(c) for c in info.colours]
    described = [_plain(d or "") for d in info.descriptions]
    plain_bands = [band for band in range(info.bands) if band != info.alpha]
    named = any(colour in COMMON_ORDER for colour in colours) or any(text in COMMON_ORDER for text in described)
    return [_find(_plain(name), info, colours, described, plain_bands, named) for name in names]


def _find(
    name: str, info: RasterInfo, colours: list[str], described: list[str], plain: list[int], named: bool
) -> int | None:
    if name.isdecimal():
        return int(name) - 1 if 1 <= int(name) <= info.bands else None
    for known in (colours, described):
        found = [band for band, text in enumerate(known) if text == name and band in plain]
        if found:
            return found[0]
    if len(plain) == 1 and name in (*COMMON_ORDER[:3], "gray"):
        return plain[0]
    if not named and name in COMMON_ORDER and COMMON_ORDER.index(name) < len(plain):
        return plain[COMMON_ORDER.index(name)]
    return None


def require_bands(names: Sequence[str], info: RasterInfo) -> list[int]:
    """As `find_bands`. Raises ModelError that names what the photo lacks."""
    found = find_bands(names, info)
    missing = [name for name, band in zip(names, found, strict=True) if band is None]
    if missing:
        has = ", ".join(c or "unnamed" for c in info.colours) or f"{info.bands} unnamed bands"
        raise ModelError(
            f"the model has to see {', '.join(missing)}, which the photo does not have ({has})",
            hint="Choose another model, or name the bands in the file (colour interpretation or description).",
        )
    return [band for band in found if band is not None]
