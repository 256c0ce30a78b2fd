"""Read what Esri's deep-learning packages (.emd, .dlpk) say of themselves into a model card.

An .emd is a JSON file: Framework, ModelType, ModelFile, ImageHeight, ImageWidth, ExtractBands from 0, Classes with
Value, Name and Color, DataRange, ModelPadding, BatchSize, MinCellSize and MaxCellSize; a .dlpk is a zip of it and all
it names. How classes are to be fed it does not tell: such a card can be shown, and completed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.core.disk import explained
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.archive import member_names, read_member
from cimgen_qt.generators.card_file import LARGEST_INDEX, LARGEST_SIDE
from cimgen_qt.generators.card_values import positive
from cimgen_qt.generators.cards import CardClass, ModelCard

LARGEST_TEXT = 4 * 1024 * 1024
KINDS = {
    "imageclassification": "image-to-map",
    "objectdetection": "detection",
    "instancedetection": "detection",
    "objectclassification": "other",
    "changedetection": "image-to-map",
    "pix2pix": "image-to-image",
    "pix2pixhd": "image-to-image",
    "cyclegan": "image-to-image",
    "wnet_cgan": "image-to-image",
    "superresolution": "image-to-image",
}
_HOW = ("Framework", "ModelConfiguration", "ModelType", "InferenceFunction", "ModelFormat")
_EXTRA = (*_HOW, "ExtractBands", "DataRange")
_DEGREE = 111_319.49
"""Metres of a degree at the equator."""
_METRIC = frozenset({3857, 102100, *range(32601, 32661), *range(32701, 32761)})
"""EPSG codes in metres, as far as packages use them: Web Mercator and UTM."""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_SIDE else 0


def emd_card(path: Path) -> ModelCard:
    """From Esri's definition file. Raises ModelError where it is no JSON object or too large."""
    with explained(path, "read", ModelError):
        if path.stat().st_size > LARGEST_TEXT:
            raise ModelError(f"{path.name} is too large for a model definition", hint="Is it the right file?")
        data = path.read_bytes()
    return _esri_card(_object(data, path.name), path)


def dlpk_card(path: Path) -> ModelCard:
    """From the definition file in Esri's package, read in memory. Raises ModelError for what is no such package."""
    found = sorted((n for n in member_names(path) if n.lower().endswith(".emd")), key=lambda n: (n.count("/"), n))
    if not found:
        raise ModelError(f"{path.name} holds no model definition (.emd)", hint="Is it a deep learning package?")
    return _esri_card(_object(read_member(path, found[0], LARGEST_TEXT), found[0]), path)


def _object(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is no JSON: {error}", hint="Get the model anew from where it came.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{name} is no model definition", hint="It has to be a JSON object.")
    return found


def _esri_card(emd: Mapping[str, Any], path: Path) -> ModelCard:
    kind = KINDS.get(str(emd.get("ModelType", "")).casefold(), "other")
    if kind == "image-to-image" and _whole(emd.get("label_nc")):  # Pix2PixHD, when it learned from label maps
        kind = "map-to-image"
    file = str(emd.get("ModelFile", "")).replace("\\", "/").removeprefix("./")
    sizes = [_cell(emd.get(key)) for key in ("MinCellSize", "MaxCellSize")]
    known = sorted(size for size in sizes if size is not None)
    return ModelCard(
        name=str(emd.get("ModelName") or path.stem),
        version=str(emd.get("Version") or "unknown"),
        kind=kind,
        path=path,
        file=file,
        notes=str(emd.get("Description") or ""),
        classes=tuple(_esri_classes(emd.get("Classes"))),
        layout="nhwc" if str(emd.get("ModelFormat", "")).upper() == "NHWC" else "nchw",
        metres_per_pixel=known[0] if len(known) == 2 and known[0] == known[1] else None,
        metres_range=(known[0], known[1]) if len(known) == 2 and known[0] < known[1] else None,
        tile=_whole(emd.get("ImageWidth")),
        halo=_whole(emd.get("ModelPadding")),
        batch=min(256, _whole(emd.get("BatchSize")) or 1),
        extra=tuple((key, _plain(emd[key])) for key in _EXTRA if key in emd),
    )


def _esri_classes(found: object) -> Iterator[CardClass]:
    for entry in found if isinstance(found, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("Value"), int) and 0 <= entry["Value"] <= LARGEST_INDEX:
            yield CardClass(entry["Value"], str(entry.get("Name") or f"class {entry['Value']}"))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(size: object) -> float | None:
    """Metres of a cell size {x, y, spatialReference: {wkid}}, where the unit is known."""
    if not isinstance(size, dict):
        return None
    across, place = positive(size.get("x")), size.get("spatialReference")
    wkid = place.get("wkid") if isinstance(place, dict) else None
    if across is None or wkid not in {4326, *_METRIC}:
        return None
    return across * _DEGREE if wkid == 4326 else across
