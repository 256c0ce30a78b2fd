"""Model cards: everything one has to know to feed a network and to understand its answer, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cimgen_qt.core.raster import SUPPORTED_DTYPES
from cimgen_qt.networks.architecture import PAINTERS, Architecture

FORMAT = 1
"""Of card files; a newer one is refused."""
KINDS = ("map-to-image", "image-to-map", "image-to-image", "detection", "regression", "other")
GROUPS = ("labels-onehot", "labels-index", "labels-colour", "edges", "photo", "masked-photo", "mask", "noise")
LAYOUTS = ("nchw", "nhwc")
PADDINGS = ("reflect", "edge")
TENSORS = ("float32", "float16", "uint8", "int32", "int64")
PHOTOS = SUPPORTED_DTYPES
STATISTICS = ("scene", "tile")
ONNX = (".onnx",)
TORCH = (".pth", ".safetensors")
"""Endings of files of weights that PyTorch runs."""
CARD_NAME = "card.toml"

READS = {
    "map-to-image": "makes a photo from a class map",
    "image-to-map": "reads classes from a photo",
    "image-to-image": "turns one picture into another",
    "detection": "finds objects in a photo",
    "regression": "measures a quantity in a photo",
    "other": "does something that CIMGen does not know",
}


@dataclass(frozen=True, slots=True)
class CardClass:
    """A class as the network knows it: `index` is its channel in one-hot inputs and its value in index inputs."""

    index: int
    name: str
    aliases: tuple[str, ...] = ()
    colour: tuple[int, int, int] | None = None
    """Red, green and blue (0-255) of the class in maps that the network was trained with, for `labels-colour`."""


@dataclass(frozen=True, slots=True)
class CardInput:
    """One group of channels. Groups of the same `graph` input are stacked in the order of the card.

    One-hot labels, edges and the mask are 0 or 1, a photo and a coloured map go from 0 (darkest) to 1; such a u is fed
    as ((low + u * (high - low)) - mean) / std * scale, where (low, high) is `range`. Class indices and noise (standard
    normal) go without `range`. `mean` and `std` hold one number, or one a channel.
    """

    group: str
    graph: str
    channels: int
    dtype: str = "float32"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scale: float = 1.0
    bands: tuple[str, ...] = ()
    """Of a photo: names (red, green, blue, nir...) or numbers from 1, in the order of the channels."""
    fill: float = 0.0
    """What is fed, after normalisation, where the photo is masked or no data."""


@dataclass(frozen=True, slots=True)
class CardOutput:
    """`range` holds the values that stand for the darkest and the brightest level."""

    graph: str
    bands: tuple[str, ...]
    range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of weights beside the ONNX file."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CardRemote:
    """Where a model runs that is not on this machine: a server of the Open Inference Protocol v2."""

    url: str
    """https://host:port, or http://...; what stands before /v2 on the server, without a slash at the end."""
    model: str
    """Its name there."""
    version: str = ""
    """Empty: the one that the server chooses."""
    timeout: float = 300.0
    """Seconds that one answer may take."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """`path` is where the card was read: a card file, or the package that said the same of itself.

    Lengths are pixels at the ground resolution of the model. A card of a kind other than map-to-image, and one read
    from a package, may lack what a generator needs; `unfit` tells.
    """

    name: str
    version: str
    kind: str
    path: Path
    file: str
    sha256: str = ""
    data: tuple[DataFile, ...] = ()
    licence: str = ""
    source: str = ""
    credits: str = ""
    notes: str = ""
    trained: bool = True
    classes: tuple[CardClass, ...] = ()
    unknown: str = ""
    """Name of the class that ground of no known class is fed as; empty: zeros in one-hot inputs."""
    inputs: tuple[CardInput, ...] = ()
    output: CardOutput | None = None
    layout: str = "nchw"
    metres_per_pixel: float | None = None
    metres_range: tuple[float, float] | None = None
    """Ground resolutions of scenes for which the model was tried."""
    tile: int = 0
    stride: int = 1
    halo: int = 0
    largest: int = 2048
    padding: str = "reflect"
    batch: int = 1
    dtype: str = "uint8"
    """Of the photos that it learned from."""
    levels: tuple[float, float] | None = None
    """Native values of such photos that count as 0 and 1; None: 0 and 255 for uint8, else measured in the scene."""
    network: Architecture | None = None
    """Of weights in a file of PyTorch's; None: told from their names and shapes."""
    statistics: str = "scene"
    """Of instance norms in PyTorch: measured once on the unedited scene, so that tiles agree, or on each tile anew."""
    remote: CardRemote | None = None
    """The server that computes in place of a file."""
    extra: tuple[tuple[str, str], ...] = ()
    """What a package says beyond this, for display only."""

    @property
    def folder(self) -> Path:
        """Everything that the card names lies in here."""
        return self.path.parent

    @property
    def takes_labels(self) -> bool:
        """Whether the painted classes reach the network."""
        return any(group.group in ("labels-onehot", "labels-index", "labels-colour", "edges") for group in self.inputs)

    @property
    def unfit(self) -> str:
        """Why this is no generator; empty if it is one."""
        if self.kind != "map-to-image":
            return f"it is of the kind {self.kind}: it {READS.get(self.kind, READS['other'])}"
        if self.remote is None and not self.file.lower().endswith((*ONNX, *TORCH)):
            return f"its weights ({self.file}) are no ONNX file, .pth or .safetensors"
        if not self.inputs or self.output is None or not self.classes:
            return "it does not say how its inputs, its output and its classes are to be understood"
        if self.network is not None and self.network.kind not in PAINTERS:
            return f"its network is of the kind {self.network.kind}, which judges pictures and makes none"
        return ""

    @property
    def runs_in_torch(self) -> bool:
        """Whether PyTorch is needed, not ONNX Runtime."""
        return self.file.lower().endswith(TORCH)
