"""A network that reads classes from a photo, open and ready to be fed."""

from __future__ import annotations

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
from cimgen_qt.generators.stretch import Stretch
from cimgen_qt.generators.weights import load_weights
from cimgen_qt.segmentation.answers import Reading, Shares, decided, reading_of

TILE, OVERLAP = 512, 64
"""Where the card says nothing, in pixels of the model."""
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
        channels = port.dims[1] if port.dims is not None and len(port.dims) == 4 else None
        integer = port.dtype in _INTEGERS or (port.dims is not None and len(port.dims) == 3)
        self.card = card
        self._group, self._output = photos[0], port.name
        self._reading = reading_of(card, palette, channels, integer)
        self._opened = open_session(weights.model, choice or Choice())
        self._session: Any = self._opened.session
        side, stride = card.tile or TILE, max(1, card.stride)
        fixed = weights.graph.fed[0].dims
        self._fixed = fixed[2] if fixed is not None and len(fixed) == 4 else None
        halo = card.halo or OVERLAP
        if self._fixed:
            halo = min(halo, self._fixed // 4)
            side = self._fixed - 2 * halo
        self.spec = GeneratorSpec(
            card.name, card.version, tile=side, stride=stride, halo=halo, metres_per_pixel=card.metres_per_pixel,
            sha256=weights.sha256, trained=True, source=str(card.path), device=self._opened.device,
            device_note=self._opened.note,
        )  # fmt: skip

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
        fed = normalised(np.moveaxis(unit, 2, 0), self._group)
        below, right = self._padding(height), self._padding(width)
        fed = np.pad(fed, ((0, 0), (0, below), (0, right)), mode="edge")
        if self._group.dtype == "uint8":
            fed = np.round(fed)
        feed = fed[None].astype(self._group.dtype)
        if self.card.layout == "nhwc":
            feed = np.ascontiguousarray(np.moveaxis(feed, 1, 3))
        with explained(self._opened.runtime, "run"):
            (answer,) = self._session.run([self._output], {self._group.graph: feed})
        shares = self._shares(np.asarray(answer)[0], fed.shape[1:])
        return shares[:height, :width]

    def _padding(self, size: int) -> int:
        return (self._fixed or -(-size // self.spec.stride) * self.spec.stride) - size

    def _shares(self, answer: NDArray[Any], fed: tuple[int, ...]) -> Shares:
        if answer.ndim == 3 and self.card.layout == "nhwc":
            answer = np.moveaxis(answer, 2, 0)
        if answer.ndim not in (2, 3) or answer.shape[-2:] != fed:
            raise ModelError(
                f"{self.card.name} answered with {answer.shape} for {fed[0]} x {fed[1]} pixels",
                hint="A segmentation model has to answer for every pixel.",
            )
        if not self._reading.activation:
            self._reading = decided(self._reading, answer)
        return self._reading.shares(answer)

    def close(self) -> None:
        self._session = None
