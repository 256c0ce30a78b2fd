"""What can be asked of the dataset room, and the paper's recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cimgen_qt.core.errors import CimgenError

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "map2sat": {"side": 512, "smallest": 512, "urban": 0.15, "seam": 6.0},
    "building2sat": {"side": 500, "smallest": 500, "unlabelled": 1.0},
    "cityscapes": {"side": 512, "smallest": 256, "instances": True},
}
"""The recipes of the CIMGEN paper: city maps without near copies, ground that is not urban and stitching artefacts;
scenes of 5000 pixels cut 10 x 10 with a mask of buildings; maps of classes and of single objects."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A tile beyond one of them is left out; None switches a rule off. Shares are from 0 to 1."""

    nodata: float | None = 0.05
    unlabelled: float | None = 0.5
    saturated: float | None = 0.6
    """Share of pixels at either end of the range in all bands."""
    blur: float | None = 8.0
    """Least variance of the Laplacian, in levels squared; ground that is mostly water is not asked."""
    seam: float | None = 8.0
    """Largest ratio of one straight jump right across the tile to the usual one: a seam of a mosaic."""
    cloud: float | None = 0.6
    """Share of pixels that are bright and colourless and lie in smooth ground."""
    urban: float | None = None
    """Least share of buildings and roads together."""
    dominant: float | None = None
    """Largest share of any one class."""


@dataclass(frozen=True)
class DatasetRequest(Limits):
    """Cut tiles from `project`, or from `images` and `maps` (folders or files), into the new folder `out`.

    `table`, `field`, `class_name`, `layer` and `tolerance` tell how maps are understood, as on import.
    """

    out: str
    images: str | None = None
    maps: str | None = None
    project: str | None = None
    palette: str | None = None
    name: str = ""
    side: int = 512
    smallest: int = 256
    """Tiles at the far edges of a scene count if such a square fits into them."""
    test: str = ""
    validation: str = ""
    """Patterns of scenes' names that are held out."""
    held_out: float = 0.1
    """Share of blocks of all other scenes that is held out for validation where no scene is."""
    block: int = 2
    seed: int = 1
    table: str | None = None
    field: str | None = None
    class_name: str | None = None
    layer: str | None = None
    tolerance: float | None = None
    duplicates: bool = True
    instances: bool = False
    """Also write maps of single objects: connected ground of one class."""


def with_preset(request: DatasetRequest, preset: str) -> DatasetRequest:
    """The request with a recipe's options. Raises CimgenError for a recipe that there is none."""
    if preset not in PRESETS:
        raise CimgenError(f"there is no recipe {preset!r}", hint=f"There are: {', '.join(PRESETS)}.")
    return replace(request, **PRESETS[preset])
