"""What a maker of pixels is told, and what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.jobs import Job
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """How a generator wants to be fed. Lengths are pixels of the model's own ground resolution."""

    name: str
    version: str = "1"
    tile: int = 256
    """Side of a lattice cell; 0: an area is taken whole (up to `largest`)."""
    stride: int = 1
    """Outer windows begin at and measure multiples of this."""
    halo: int = 0
    """Margin that the generator has to see around what is kept."""
    largest: int = 2048
    """Longest side of an outer window."""
    metres_per_pixel: float | None = None
    """Ground resolution that the model was trained at; None: any."""
    bands: int | None = None
    """How many bands it makes; None: those of the photo."""
    batch: int = 1
    sha256: str = ""
    """Of the weights; empty where there are none."""
    trained: bool = False
    """Whether it learned from data: what an export has to declare depends on it."""
    source: str = ""
    """What `open_generator` opens it by: a name, or the path of a card."""
    adapter: str = ""
    """SHA-256 of what changes its weights for one scene; empty where nothing does."""
    device: str = "cpu"
    """The device truly in use; of a network with runtime and precision, as "cpu (OpenVINO bf16)"."""
    device_note: str = ""
    """Why it is not the one that was asked for."""
    exact: bool = False
    """No pixel depends on anything beyond the halo, so a tile may be cut to the ground that is needed. Holds after
    `prepare`, as some networks become so there."""
    statistics: str = ""
    """Where in the scene statistics were measured that the network was made to keep; empty: none."""


@dataclass(frozen=True, slots=True)
class Request:
    """Make pixels for `window`. The photo is always the original one, never earlier output.

    `window` is in pixels of the scene; arrays are at the resolution that the spec asks for, so they measure as the
    window only where no resampling was needed. `mask` is True where pixels are wanted.
    """

    window: Window
    labels: Labels
    photo: Pixels
    mask: Mask
    valid: Mask
    seed: int
    metres_per_pixel: float | None = None


class SceneView(Protocol):
    """The pristine scene, for generators that look beyond their tile. Reads only."""

    @property
    def grid(self) -> Grid: ...

    @property
    def info(self) -> RasterInfo: ...

    @property
    def palette(self) -> Palette: ...

    def read_photo(self, window: Window) -> Pixels:
        """The original photo."""
        ...

    def read_valid(self, window: Window) -> Mask: ...

    def read_map(self, window: Window) -> Labels:
        """The original map, before any edit."""
        ...

    def read_labels(self, window: Window) -> Labels:
        """The map as edited."""
        ...

    def read_scope(self, window: Window) -> Mask:
        """True where pixels are to be made: such pixels must not serve as examples."""
        ...


class Generator(Protocol):
    """Makes pixels. Used from one thread at a time; the same request and seed give the same pixels."""

    @property
    def spec(self) -> GeneratorSpec: ...

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        """Called once before the first request; returns warnings for the user (a class without example...)."""
        ...

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """One array (as the request's photo in size, bands and dtype) a request; outside the mask anything goes."""
        ...

    def close(self) -> None: ...
