"""A network that reads classes from a photo, open and ready to be fed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Mask, Pixels, RasterInfo
from cimgen_qt.generators.bands import require_bands
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice, explained, open_session
from cimgen_qt.generators.encode import normalised
from cimgen_qt.generators.reach import reach
from cimgen_qt.generators.stretch import Stretch
from cimgen_qt.generators.weights import fixed_size, load_weights
from cimgen_qt.segmentation.answers import Reading, Shares, decided, reading_of

TILE, OVERLAP = 512, 64
"""Where the card says nothing, in pixels of the model."""
PROBE = 64
"""Side of the picture by which the form of an answer is told, where nothing says it."""
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "bool")


class SegmentationModel:
    """Belongs to one thread; `close` gives the memory back."""

    def __init__(self, card: ModelCard, palette: Palette | None = None, choice: Choice | None = None) -> None:
        """Raises ModelError where the model reads no classes from a photo, or its file is not what the card says."""
        if card.kind not in ("image-to-map", "other") or not card.file.lower().endswith(".onnx"):
            raise ModelError(
                f"{card.name} is of the kind {card.kind}: it reads no classes from a photo",
                hint="Choose a model of the kind image-to-map; `cimgen models` lists what there is.",
            )
        photos = [group for group in card.inputs if group.group == "photo"]
        if len(photos) != 1 or len(card.inputs) != 1:
            raise ModelError(f"{card.name} does not say how a photo is fed to it", hint="Write a card for it.")
        weights = load_weights(card)
        named = None if card.output is None else card.output.graph
        ports = [port for port in weights.graph.outputs if named in (None, port.name)]
        if not ports:
            raise ModelError(f"{card.name} has no output {named}", hint="Correct its card.")
        port = ports[0]
        where = card.layout.index("c")
        channels = None if port.dims is None else port.dims[where] if len(port.dims) == 4 else 1
        integer = port.dtype in _INTEGERS
        self.card = card
        self._group, self._output = photos[0], port.name
        self._reading = reading_of(card, palette, channels, integer)
        if named is None and len(weights.graph.outputs) > 1:
            unread = ", ".join(other.name for other in weights.graph.outputs[1:])
            told = f"{card.name} answers more than once: {port.name} is read, {unread} is not"
            self._reading = replace(self._reading, notes=(*self._reading.notes, told))
        self._opened = open_session(weights.model, choice or Choice())
        self._session: Any = self._opened.session
        side, stride, halo = card.tile or TILE, max(1, card.stride), card.halo or OVERLAP
        self.fixed = _fed_size(card, fixed_size(card, weights.graph.fed[0]))
        narrow = [size for size in self.fixed if size is not None]
        if narrow:
            halo = min(halo, min(narrow) // 4)
            side = min(narrow) - 2 * halo
        self.local = _is_local(weights.model, port.name, card.layout, side, stride, halo)
        self.spec = GeneratorSpec(
            card.name, card.version, tile=side, stride=stride, halo=halo, metres_per_pixel=card.metres_per_pixel,
            sha256=weights.sha256, trained=True, source=str(card.path), device=self._opened.device,
            device_note=self._opened.note,
        )  # fmt: skip
        if not self._reading.activation:
            self._reading = decided(self._reading, self._run(self._noise()))

    @property
    def reading(self) -> Reading:
        return self._reading

    def bands(self, info: RasterInfo) -> list[int]:
        """Which bands of a photo it looks at. Raises ModelError where the photo lacks one."""
        return require_bands(self._group.bands, info)

    def look(self, photo: Pixels, valid: Mask, stretch: Stretch) -> Shares:
        """Shares of classes for (height, width, bands) of native values, bands in the model's order."""
        height, width = valid.shape
        unit = np.where(valid[..., None], stretch.unit(photo), 0.0)
        shares = self._reading.shares(self._run(unit))
        return shares[:height, :width]

    def _noise(self) -> NDArray[np.float32]:
        """Ground of every kind, and the same each time, so that nothing hangs on where a raster begins."""
        rows, cols = (size or -(-PROBE // self.spec.stride) * self.spec.stride for size in self.fixed)
        return np.random.default_rng(0).random((rows, cols, self._group.channels), np.float32)

    def _run(self, unit: NDArray[np.float32]) -> NDArray[Any]:
        """The answer, channels first where it has them, for a padded (height, width, band) of 0..1."""
        fed = normalised(np.moveaxis(unit, 2, 0), self._group)
        below, right = (self._padding(axis, size) for axis, size in enumerate(fed.shape[1:]))
        fed = np.pad(fed, ((0, 0), (0, below), (0, right)), mode="edge")
        if self._group.dtype == "uint8":
            fed = np.round(fed)
        feed = fed[None].astype(self._group.dtype)
        if self.card.layout == "nhwc":
            feed = np.ascontiguousarray(np.moveaxis(feed, 1, 3))
        with explained(self._opened.runtime, "run"):
            (answer,) = self._session.run([self._output], {self._group.graph: feed})
        return self._checked(np.asarray(answer)[0], fed.shape[1:])

    def _padding(self, axis: int, size: int) -> int:
        return (self.fixed[axis] or -(-size // self.spec.stride) * self.spec.stride) - size

    def _checked(self, answer: NDArray[Any], fed: tuple[int, ...]) -> NDArray[Any]:
        if answer.ndim == 3 and self.card.layout == "nhwc":
            answer = np.moveaxis(answer, 2, 0)
        if answer.ndim not in (2, 3) or answer.shape[-2:] != fed:
            raise ModelError(
                f"{self.card.name} answered with {answer.shape} for {fed[0]} x {fed[1]} pixels",
                hint="A segmentation model has to answer for every pixel.",
            )
        return answer

    def close(self) -> None:
        self._session = None


def _fed_size(card: ModelCard, fixed: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    """Rows and columns of every picture that is fed, None where they are free.

    Deepness feeds squares of `tiles_size` and no others: its models need not work at other sizes.
    """
    square = card.tile if "model_type" in dict(card.extra) and card.tile else None
    return fixed[0] or square, fixed[1] or square


def _is_local(model: bytes | Path, output: str, layout: str, side: int, stride: int, halo: int) -> bool:
    """Whether it is proven that no pixel of a tile depends on ground beyond its halo."""
    if isinstance(model, Path) or side % stride or halo % stride:
        return False
    try:
        import onnx
    except ImportError:
        return False
    found = reach(onnx.load_from_string(model), output, layout)
    return found is not None and found.halo <= halo and stride % found.grain == 0
