"""Lay generated pixels into the photo so that no seam is seen and no pixel outside the change is touched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.band import Band
from cimgen_qt.core.colour_match import Tones, tones
from cimgen_qt.core.errors import CimgenError
from cimgen_qt.core.grid import Window
from cimgen_qt.core.membrane import REACH
from cimgen_qt.core.multiband import LEVELS
from cimgen_qt.core.pieces import Piece, pieces_of
from cimgen_qt.core.plots import Plots
from cimgen_qt.core.raster import Labels, Mask, Pixels
from cimgen_qt.core.seams import NEAR, FeatherSeam, MembraneSeam, MultibandSeam, Seam

Floats = NDArray[np.float32]
LARGEST_MARGIN = 256


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
        if not isinstance(self.mode, BlendMode):
            raise CimgenError(f"{self.mode} is no blend mode", hint=f"Modes: {', '.join(m.value for m in BlendMode)}.")
        limits: dict[str, tuple[float, float]] = {"feather": (0, 256), "tau": (0.5, 512), "ring": (1, 256)}
        if self.feather_metres is not None:
            limits["feather_metres"] = (0, 1e6)
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not (math.isfinite(value) and low <= value <= high):
                raise CimgenError(f"{name} is {value}", hint=f"Choose from {low} to {high:g}.")
        if self.ring != int(self.ring):
            raise CimgenError(f"ring is {self.ring}", hint="Give it in whole pixels.")
        for name in ("colour_match", "hard_edges"):
            if not isinstance(getattr(self, name), bool):
                raise CimgenError(f"{name} is {getattr(self, name)}", hint="Say true or false.")

    @property
    def margin(self) -> int:
        """How much ground round the change has to be seen, in pixels; at the most, as a large change is cut up."""
        match self.mode:
            case BlendMode.REPLACE:
                needed = 1
            case BlendMode.FEATHER:
                needed = math.ceil(self.feather) + 1
            case BlendMode.MULTIBAND:
                needed = (math.ceil(self.feather) + 3) << LEVELS
            case BlendMode.MEMBRANE:
                needed = math.ceil(REACH * self.tau) + NEAR
            case BlendMode.POISSON:
                needed = LARGEST_MARGIN
        return min(LARGEST_MARGIN, max(needed, self.ring + 1 if self.colour_match else 0))

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

    Arrays are (height, width, band) of one dtype. Where `valid` is False (nodata, masked, transparent) or a float is
    not finite the photo stays, inside the mask too, and such pixels never colour their neighbours. The band `alpha` is
    always the photo's. The inputs are not changed. Raises `CimgenError` where the arrays do not fit each other.
    """
    _check(photo, new, mask, valid, labels)
    wanted, ground = _ground(photo, new, mask, valid)
    match = tones(photo, new, wanted, settings.ring, ground, labels) if settings.colour_match else None
    work = _Work(photo, new, photo.copy(), np.zeros(mask.shape, np.uint8))
    bands = [number for number in range(photo.shape[2]) if number != alpha]
    for piece in pieces_of(wanted, ground, labels if settings.hard_edges else None, settings.margin):
        if work.is_photo(piece):
            work.lay(piece, None, bands, None)
        else:
            work.lay(piece, _seam_of(settings, piece), bands, match)
    return Blended(work.out, work.origin)


@dataclass(frozen=True, slots=True)
class _Work:
    photo: Pixels
    new: Pixels
    out: Pixels
    origin: NDArray[np.uint8]

    def is_photo(self, piece: Piece) -> bool:
        """True where all that was made is the photo over again: nothing of it is to be blended or matched."""
        parts = Plots.of(piece.inside)
        for window in parts.windows(parts.some):
            here, inside = _moved(window, piece).slices(), piece.inside[window.slices()]
            if (self.photo[here] != self.new[here])[inside].any():
                return False
        return True

    def lay(self, piece: Piece, seam: Seam | None, bands: list[int], tones: Tones | None) -> None:
        """Write the pixels of a piece; without a `seam` and `tones` as they were made."""
        plots = Plots.of(piece.inside)
        for window in plots.windows(plots.some) if seam is None else seam.far:
            self._write_far(piece, window, bands, tones)
        if seam is None:
            return
        for number in bands:
            band = Band(self.photo, self.new, piece, number, tones)
            for window, correction in seam.spread(band):
                values = band.made(window)
                values += correction
                self._write(piece, window, number, values)

    def _write_far(self, piece: Piece, window: Window, bands: list[int], tones: Tones | None) -> None:
        inside, here = piece.inside[window.slices()], _moved(window, piece).slices()
        if tones is None and len(bands) == self.out.shape[2] and inside.all():
            self.out[here] = self.new[here]
            self.origin[here] = 1
            return
        for number in bands:
            self._write(piece, window, number, Band(self.photo, self.new, piece, number, tones).made(window))

    def _write(self, piece: Piece, window: Window, number: int, values: Floats) -> None:
        """Select against the source: whatever was computed, only pixels of the piece are taken."""
        inside, here = piece.inside[window.slices()], _moved(window, piece).slices()
        result = _as_dtype(values, self.out.dtype)
        np.copyto(self.out[here][..., number], result, where=inside)
        altered = (result != self.new[here][..., number]) & inside
        np.maximum(self.origin[here], inside.view(np.uint8) + altered, out=self.origin[here])


def _moved(window: Window, piece: Piece) -> Window:
    """`window` of a piece, in the arrays that it was cut from."""
    return window.shifted(piece.window.row, piece.window.col)


def _seam_of(settings: BlendSettings, piece: Piece) -> Seam | None:
    match settings.mode:
        case BlendMode.REPLACE:
            return None
        case BlendMode.FEATHER:
            return FeatherSeam(piece, settings.feather)
        case BlendMode.MULTIBAND:
            return MultibandSeam(piece, settings.feather)
        case BlendMode.POISSON:
            return MembraneSeam(piece, None)
        case BlendMode.MEMBRANE:
            return MembraneSeam(piece, settings.tau)


def _check(photo: Pixels, new: Pixels, mask: Mask, valid: Mask | None, labels: Labels | None) -> None:
    planes = [plane.shape for plane in (mask, valid, labels) if plane is not None]
    if (
        photo.ndim != 3
        or new.shape != photo.shape
        or new.dtype != photo.dtype
        or any(shape != photo.shape[:2] for shape in planes)
    ):
        raise CimgenError(
            f"cannot blend {new.shape} {new.dtype} into {photo.shape} {photo.dtype} with planes {planes}",
            hint="All of them must have the size of the photo, and the pixels its dtype.",
        )


def _ground(photo: Pixels, new: Pixels, mask: Mask, valid: Mask | None) -> tuple[Mask, Mask]:
    """Pixels to be changed, and pixels of the photo that may be blended into."""
    if photo.dtype.kind != "f":
        return (mask, ~mask) if valid is None else (mask & valid, valid & ~mask)
    usable = np.isfinite(photo).all(axis=2)
    if valid is not None:
        usable &= valid
    return mask & usable & np.isfinite(new).all(axis=2), usable & ~mask


def _as_dtype(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rounded and kept within the range of an integer dtype; floats as they are. Overwrites `values`."""
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    np.rint(values, out=values)
    np.clip(values, limits.min, limits.max, out=values)
    return values.astype(dtype)
