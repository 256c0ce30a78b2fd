"""What can be asked of the segmentation room."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """Read the classes of `image` into a class raster `target`, and how sure they are into one beside it.

    Without a `palette` the classes are those of the model.
    """

    image: str
    target: str
    model: str
    palette: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    overwrite: bool = False
