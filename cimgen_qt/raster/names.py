"""What a class raster calls its values: band tags of our own, categories and attribute tables of GDAL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cimgen_qt.core.errors import MapError
from cimgen_qt.core.safe_xml import LARGEST_CHARACTERS, parse_xml

_NAME_USE, _VALUE_USES = "2", ("5", "0")
"""GDAL's usage of a column of an attribute table: the name of a class; its value, or anything."""


def names_of(data: Any, path: Path) -> dict[int, str]:
    """Value -> name, from the band tags CLASS_n, else from `NAME.aux.xml` beside the file; else empty."""
    found = {
        int(key[6:]): str(name).strip()
        for key, name in data.tags(1).items()
        if re.fullmatch(r"CLASS_[0-9]{1,6}", key) and str(name).strip()
    }
    return found or _names_beside(path.with_name(path.name + ".aux.xml"))


def _names_beside(sidecar: Path) -> dict[int, str]:
    """The guard has looked at the sidecar; one that cannot be understood gives no names, as with GDAL."""
    try:
        if not sidecar.is_file() or sidecar.stat().st_size > LARGEST_CHARACTERS:
            return {}
        root = parse_xml(sidecar.read_text("utf-8-sig"), sidecar.name, hint="")
    except (OSError, UnicodeDecodeError, MapError):
        return {}
    band = next((b for b in root.iter("PAMRasterBand") if b.get("band", "1") == "1"), None)
    if band is None:
        return {}
    categories = [(category.text or "").strip() for category in band.iterfind("CategoryNames/Category")]
    return {value: name for value, name in enumerate(categories) if name} or _attribute_table(band)


def _attribute_table(band: ElementTree.Element) -> dict[int, str]:
    uses = [field.findtext("Usage", "0").strip() for field in band.iterfind("GDALRasterAttributeTable/FieldDefn")]
    names = [n for n, use in enumerate(uses) if use == _NAME_USE]
    values = [n for wanted in _VALUE_USES for n, use in enumerate(uses) if use == wanted]
    if not names or not values:
        return {}
    found: dict[int, str] = {}
    for row in band.iterfind("GDALRasterAttributeTable/Row"):
        cells = [(cell.text or "").strip() for cell in row.iterfind("F")]
        if len(cells) == len(uses) and re.fullmatch(r"[0-9]{1,6}(?:\.0*)?", cells[values[0]]) and cells[names[0]]:
            found[int(float(cells[values[0]]))] = cells[names[0]]
    return found
