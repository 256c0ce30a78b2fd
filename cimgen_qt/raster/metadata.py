"""What a raster says beside its pixels: tags, XMP, statistics, overviews."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

_METHODS = {"AVERAGE": Resampling.average, "NEAREST": Resampling.nearest, "CUBIC": Resampling.cubic,
            "BILINEAR": Resampling.bilinear, "LANCZOS": Resampling.lanczos, "MODE": Resampling.mode,
            "GAUSS": Resampling.gauss, "CUBICSPLINE": Resampling.cubic_spline}  # fmt: skip


def overview_method(data: Any) -> Resampling:
    """How overviews of this raster are made: as it says itself, nearest for palettes, else by averaging."""
    if data.colorinterp[0].name == "palette":
        return Resampling.nearest
    said = data.tags(ns="IMAGE_STRUCTURE").get("OVERVIEW_RESAMPLING", "")
    return _METHODS.get(said.upper(), Resampling.average)


def set_tags(data: Any, tags: Mapping[str, str], xmp: bytes) -> None:
    """Add tags to the default domain and replace the XMP packet (unless it is empty)."""
    if tags:
        data.update_tags(**tags)
    if xmp:
        data.update_tags(ns="xml:XMP", **{"": xmp.decode("utf-8")})


def read_xmp(data: Any) -> str:
    """The XMP packet, or an empty text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = data.get_tag_item("", "xml:XMP") if hasattr(data, "get_tag_item") else None
        if found:
            return str(found)
        domain = data.tags(ns="xml:XMP")
    return "=".join(next(iter(domain.items()))) if domain else ""


def clear_statistics(data: Any) -> None:
    """Statistics of the old pixels are wrong for the new ones."""
    data.clear_stats()


@contextmanager
def quiet() -> Iterator[None]:
    """No warning for pictures without a position: the user was told by the reader's notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
