"""Read what an ONNX file says of itself: a card of ours, or the metadata that Deepness (a QGIS plugin) reads.

Deepness keeps JSON texts in the metadata: model_type, class_names (or names), resolution in centimetres a pixel,
tile_size (its manual writes tiles_size), tiles_overlap in percent, standardization_mean and _std, and thresholds.
"""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cimgen_qt.generators.card_file import LARGEST_INDEX, LARGEST_SIDE, parse_card
from cimgen_qt.generators.card_values import positive, real, reals
from cimgen_qt.generators.cards import TENSORS, CardClass, CardInput, ModelCard
from cimgen_qt.generators.onnx_graph import Graph, Port

CARD_KEY = "cimgen_card"
"""Metadata under which the whole card may stand, as TOML without `file` and `sha256`: a model of one file."""
LARGEST_TEXT = 1024 * 1024
KINDS = {
    "segmentor": "image-to-map",
    "regressor": "regression",
    "regression": "regression",
    "detector": "detection",
    "recognition": "other",
    "superresolution": "image-to-image",
}
_THRESHOLDS = ("seg_thresh", "seg_small_segment", "reg_output_scaling", "det_conf", "det_iou_thresh", "det_type")
_EXTRA = ("model_type", *_THRESHOLDS)


def onnx_card(path: Path, graph: Graph, sha256: str) -> ModelCard:
    """From a whole card of ours, Deepness's metadata, or the shapes alone. Raises ModelError where ours is wrong."""
    if CARD_KEY in graph.metadata:
        return parse_card(_own_card(graph.metadata[CARD_KEY], path.name, sha256), path)
    return _deepness_card(path, graph, sha256)


def _own_card(text: str, file: str, sha256: str) -> str:
    """A file cannot hold its own name and hash, so they are put before what it holds."""
    return f"file = {json.dumps(file)}\nsha256 = {json.dumps(sha256)}\n{text}"


def _deepness_card(path: Path, graph: Graph, sha256: str) -> ModelCard:
    meta = {key: _json(text) for key, text in graph.metadata.items()}
    kind = KINDS.get(str(meta.get("model_type", "")).casefold(), "other")
    centimetres = positive(meta.get("resolution"))
    side = _whole(meta.get("tile_size", meta.get("tiles_size")))
    overlap = real(meta.get("tiles_overlap")) or 0.0
    unread = sorted(key for key, value in meta.items() if isinstance(value, _Unread))
    return ModelCard(
        name=path.stem,
        version="unknown",
        kind=kind,
        path=path,
        file=path.name,
        sha256=sha256,
        notes=f"its metadata {', '.join(unread)} cannot be read" if unread else "",
        classes=tuple(_deepness_classes(meta.get("class_names", meta.get("names")))),
        inputs=tuple(_photo_input(port, meta) for port in graph.fed[:1] if _channels(port) and port.dtype in TENSORS),
        metres_per_pixel=None if centimetres is None else centimetres / 100.0,
        tile=side or _side(graph.fed),
        halo=round((side or _side(graph.fed)) * min(100.0, max(0.0, overlap)) / 200.0),
        extra=tuple((k, graph.metadata[k]) for k in _EXTRA if k in graph.metadata),
    )


class _Unread(str):
    """A metadata text that is no JSON and no Python literal either."""


def _json(text: str) -> Any:
    """Metadata are JSON; some exporters write Python dictionaries instead."""
    if len(text) > LARGEST_TEXT:
        return _Unread(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(text)
            except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                continue
    return _Unread(text)


def _deepness_classes(names: object) -> Iterator[CardClass]:
    """A dictionary of index and name, or a list of such, one an output."""
    if isinstance(names, list) and names and isinstance(names[0], dict):
        names = names[0]
    pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
    for index, name in pairs:
        text = str(index)
        if text.isdecimal() and len(text) <= len(str(LARGEST_INDEX)) and str(name).strip():
            yield CardClass(int(text), str(name))


def _photo_input(port: Port, meta: Mapping[str, Any]) -> CardInput:
    channels = _channels(port)
    mean, std = reals(meta.get("standardization_mean")), reals(meta.get("standardization_std"))
    names = ("red", "green", "blue") if channels == 3 else tuple(str(n + 1) for n in range(channels))
    return CardInput("photo", port.name, channels, port.dtype, mean=mean or (), std=std or (), bands=names)


def _channels(port: Port) -> int:
    return port.dims[1] or 0 if port.dims is not None and len(port.dims) == 4 else 0


def _side(ports: list[Port]) -> int:
    dims = ports[0].dims if ports else None
    return dims[2] or 0 if dims is not None and len(dims) == 4 else 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_SIDE else 0
