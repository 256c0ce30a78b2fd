"""Lay generated pixels into the photo so that no seam is seen and no pixel outside the change is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.colour_match import colour_match
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.membrane import membrane
from cimgen_qt.core.multiband import multiband, rim_weight
from cimgen_qt.core.raster import Labels, Mask, Pixels

Floats = NDArray[np.float32]
NEAR = 3
"""Pixels to each side that make a mean of the ground at the rim."""


class BlendMode(str, Enum):
    """How the rim of a change is treated."""

    REPLACE = "replace"
    """As it was made."""
    FEATHER = "feather"
    """Faded in from the rim over a width."""
    MULTIBAND = "multiband"
    """Coarse shapes faded in over a wide rim, detail over a narrow one."""
    POISSON = "poisson"
    """Gradients of what was made, colours of the photo at the rim, spread all the way in."""
    MEMBRANE = "membrane"
    """The same, but the correction dies away inside: the default."""


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """`feather`, `tau` (reach of the membrane) and `ring` (ground that colours are matched to) are in pixels.

    `feather_metres`, where given, goes before `feather` once the size of a pixel is known.
    """

    mode: BlendMode = BlendMode.MEMBRANE
    feather: float = 4.0
    tau: float = 8.0
    colour_match: bool = False
    ring: int = 16
    feather_metres: float | None = None
    hard_edges: bool = True
    """Blend only into ground of the same class: the edge of a roof or a shore stays as sharp as it was made."""

    def __post_init__(self) -> None:
        limits = {"feather": (0, 256), "tau": (0.5, 512), "ring": (1, 256)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise CimgenError(f"{name} is {value}", hint=f"Choose from {low} to {high} pixels.")

    @property
    def margin(self) -> int:
        """How much ground round the change has to be seen, in pixels."""
        return max(2, self.ring + 1 if self.colour_match else 0)

    def for_pixel_size(self, metres: float | None) -> BlendSettings:
        """With lengths in pixels only. Raises `CimgenError` where metres are asked for and none are known."""
        if self.feather_metres is None:
            return self
        if metres is None:
            raise CimgenError("the image has no known pixel size", hint="Give the feather width in pixels.")
        return replace(self, feather=min(256.0, self.feather_metres / metres), feather_metres=None)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "mode": self.mode.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BlendSettings:
        """The inverse of `to_json`; what is left out keeps its default. Raises `CimgenError`."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise CimgenError(f"blend settings do not know {', '.join(sorted(unknown))}")
        try:
            return cls(**{**data, "mode": BlendMode(data.get("mode", BlendMode.MEMBRANE))})
        except (TypeError, ValueError) as error:
            names = ", ".join(mode.value for mode in BlendMode)
            raise CimgenError(f"the blend settings make no sense: {error}", hint=f"Modes: {names}.") from error


@dataclass(frozen=True, slots=True)
class Blended:
    """`origin`: 0 the photo's own, 1 as it was made, 2 corrected towards the photo or mixed with it."""

    pixels: Pixels
    origin: NDArray[np.uint8]


def blend(
    photo: Pixels,
    new: Pixels,
    mask: Mask,
    settings: BlendSettings,
    valid: Mask | None = None,
    labels: Labels | None = None,
    alpha: int | None = None,
) -> Blended:
    """`photo` with `new` laid over the True pixels of `mask`; every other pixel is the photo's, bit for bit.

    Arrays are (height, width, band) of one dtype. Where `valid` is False (nodata, masked, transparent) the photo stays,
    inside the mask too, and such pixels never colour their neighbours. The band `alpha` is always the photo's. The
    inputs are not changed.
    """
    usable = _usable(photo, valid)
    wanted = mask & usable & np.isfinite(new).all(axis=2) if _is_float(new) else mask & usable
    out = photo.copy()
    if not wanted.any():
        return Blended(out, np.zeros(mask.shape, np.uint8))
    bands = [b for b in range(photo.shape[2]) if b != alpha]
    made = np.nan_to_num(new[..., bands].astype(np.float32), posinf=0.0, neginf=0.0)
    below = np.where(usable[..., None], photo[..., bands], 0).astype(np.float32)
    if settings.colour_match:
        made = colour_match(below, made, wanted, settings.ring, usable, labels)
    parts = _parts(wanted, usable, labels if settings.hard_edges else None)
    for number, band in enumerate(bands):
        for inside, rim in parts:
            mixed = _mix(below[..., number], made[..., number], inside, rim, settings)
            out[..., band] = np.where(inside, _as_dtype(mixed, photo.dtype), out[..., band])
    out[~wanted] = photo[~wanted]
    same = (out[..., bands] == new[..., bands]).all(axis=2)
    origin = np.where(wanted, np.where(same, 1, 2), 0).astype(np.uint8)
    return Blended(out, origin)


def _parts(mask: Mask, usable: Mask, labels: Labels | None) -> list[tuple[Mask, Mask]]:
    """Pieces that are blended by themselves: the pixels of one class, and the ground outside that they blend into."""
    around = usable & ~mask
    if labels is None:
        return [(mask, around)]
    return [(mask & (labels == c), around & (labels == c)) for c in np.unique(labels[mask]).tolist()]


def _mix(photo: Floats, new: Floats, inside: Mask, around: Mask, settings: BlendSettings) -> Floats:
    """`new` as seen in the piece `inside`, which meets the photo at the pixels `around` it; elsewhere anything."""
    match settings.mode:
        case BlendMode.REPLACE:
            return new
        case BlendMode.FEATHER:
            return photo + (new - photo) * rim_weight(~around, settings.feather)
        case BlendMode.MULTIBAND:
            return photo + multiband(np.where(inside, new - photo, 0), inside, ~around, settings.feather)
        case BlendMode.POISSON | BlendMode.MEMBRANE:
            tau = settings.tau if settings.mode is BlendMode.MEMBRANE else None
            return new + membrane(_step_at_rim(photo, new, inside, around), inside, around, tau)


def _step_at_rim(photo: Floats, new: Floats, mask: Mask, around: Mask) -> Floats:
    """Photo minus what was made, on the ground just outside the mask.

    Where the maker has made that ground as well, it is the plain difference (Perez 2003). Where it kept the photo
    there, the mean of the photo near by outside is compared with the mean of what was made near by inside: single
    pixels would carry their grain far into the mask.
    """
    rim = around & (_box_sums(mask.astype(np.float32), 1) > 0)
    if not rim.any():
        return np.zeros(photo.shape, np.float32)
    if (new[rim] != photo[rim]).mean() > 0.5:
        return np.where(rim, photo - new, 0).astype(np.float32)
    inside, outside = mask.astype(np.float32), around.astype(np.float32)
    made = _box_sums(new * inside, NEAR) / np.maximum(_box_sums(inside, NEAR), 1)
    there = _box_sums(photo * outside, NEAR) / np.maximum(_box_sums(outside, NEAR), 1)
    return np.where(rim, there - made, 0).astype(np.float32)


def _box_sums(x: Floats, radius: int) -> Floats:
    """Sum over squares of `radius` pixels to each side; beyond the edge there is nothing."""
    for axis in (0, 1):
        padded = np.pad(x, [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)])
        sums = np.cumsum(padded, axis=axis, dtype=np.float64)
        far = np.take(sums, range(2 * radius + 1, sums.shape[axis]), axis)
        near = np.take(sums, range(sums.shape[axis] - 2 * radius - 1), axis)
        x = (far - near).astype(np.float32)
    return x


def _usable(photo: Pixels, valid: Mask | None) -> Mask:
    usable = np.ones(photo.shape[:2], bool) if valid is None else valid.copy()
    if _is_float(photo):
        usable &= np.isfinite(photo).all(axis=2)
    return usable


def _is_float(pixels: Pixels) -> bool:
    return pixels.dtype.kind == "f"


def _as_dtype(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rounded and kept within the range of an integer dtype; floats as they are."""
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
