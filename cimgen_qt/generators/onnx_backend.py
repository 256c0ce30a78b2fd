"""Make pixels with an ONNX model: any network that turns classes, photo and noise into a picture.

A network whose every pixel depends on a bounded neighbourhood gives the same pixels from any tile that includes that
neighbourhood (`halo`), if tiles begin at multiples of its `stride`; `Fit` and the lattice of `core.tiling` see to both.
Instance normalisation and its kin break this: their statistics are those of the tile, so tiles differ where they meet.
So `prepare` measures them once, on a typical window of the unedited scene, and keeps them (`frozen`); where it cannot,
it warns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.adapters import unpack
from cimgen_qt.generators.bands import find_bands, require_bands
from cimgen_qt.generators.cards import CardOutput, ModelCard
from cimgen_qt.generators.devices import Choice, Opened, explained, open_session
from cimgen_qt.generators.encode import Channels, ClassTable, Encoder, Fit, class_table, decode
from cimgen_qt.generators.exactness import SAMPLE, Gauge, Network, stacked
from cimgen_qt.generators.onnx_graph import Graph
from cimgen_qt.generators.precision import Sample
from cimgen_qt.generators.stretch import Stretch, stretch_for
from cimgen_qt.generators.weights import Weights, fixed_size, load_weights, require_agreement


@dataclass(frozen=True)
class _Scene:
    """What `prepare` found out about the scene."""

    encoder: Encoder
    bands: Sequence[int | None]
    stretch: Stretch


class Onnx:
    """Belongs to one thread. Weights are proven and loaded when it is made; `close` gives the memory back."""

    def __init__(
        self,
        card: ModelCard,
        choice: Choice | None = None,
        palette: Palette | None = None,
        adapter: bytes | None = None,
    ) -> None:
        """Raises ModelError where the card is no generator's, or weights, graph, runtime, palette, adapter do not fit.

        `adapter`: what `generators.adapters` packs, a change of the weights for one scene.
        """
        self._output = _require_generator(card)
        self.card = card
        if palette is not None:
            class_table(card, palette)
        weights = load_weights(card)
        require_agreement(card, weights.graph)
        self._choice = choice or Choice()
        found = "" if adapter is None else hashlib.sha256(adapter).hexdigest()
        self._network = Network(card, self._output.graph, replace(weights, model=_adapted(weights, adapter)), found)
        self._fixed = _fixed_size(card, weights.graph)
        self._scene: _Scene | None = None
        self._spec = GeneratorSpec(
            name=card.name,
            version=card.version,
            tile=card.tile,
            stride=card.stride,
            halo=card.halo,
            largest=card.largest,
            metres_per_pixel=card.metres_per_pixel,
            bands=len(self._output.bands),
            batch=card.batch,
            sha256=weights.sha256,
            trained=card.trained,
            adapter=found,
            source=str(card.path),
        )
        self._use(open_session(self._network.model, self._choice))

    def _use(self, opened: Opened) -> None:
        self._runtime, self._session = opened.runtime, opened.session
        self._spec = replace(self._spec, device=opened.device, device_note=opened.note)

    @property
    def spec(self) -> GeneratorSpec:
        return self._spec

    @property
    def stretch(self) -> Stretch | None:
        """Which levels of the photo count as dark and bright; None before `prepare`."""
        return None if self._scene is None else self._scene.stretch

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        """Fit palette, bands and range of the scene to the card; the warnings name all that does not fit.

        Raises ModelError where the model cannot be used on this scene at all.
        """
        yield Progress(0, 1, "measuring the photo")
        table = class_table(self.card, scene.palette)
        seen = [require_bands(group.bands, scene.info) for group in self.card.inputs]
        made = find_bands(self._output.bands, scene.info)
        if all(band is None for band in made):
            raise ModelError(
                f"the photo has none of the bands that {self.card.name} makes ({', '.join(self._output.bands)})",
                hint="Name the bands in the file, or choose another model.",
            )
        used = sorted({band for bands in seen for band in bands} | {band for band in made if band is not None})
        stretch = stretch_for(scene.info.dtype, self.card.dtype, self.card.levels, scene, used)
        self._scene = _Scene(Encoder(self.card, table, stretch, seen), made, stretch)
        yield Progress(0, 1, "preparing the network")
        whole = self._settle(scene, self._scene)
        return tuple(_warnings(self.card, scene, table, made, stretch, whole, self._spec.device_note))

    def _settle(self, view: SceneView, scene: _Scene) -> Sequence[str]:
        """Freeze what depends on whole tiles, choose the precision, and find out whether tiles may be cut.

        Gives the operators that still look at whole tiles.
        """
        gauge, probed = Gauge(view, self._spec, scene.encoder, self._fixed), self._choice.precision == "auto"
        anew = probed or bool(self._network.weights.graph.whole_tile_operators)
        if anew:
            self._session = None  # a large network does not fit into memory twice
        settled = self._network.settled(gauge, self._choice)
        if anew or settled.model is not None:
            low, high = self._output.range
            sample = Sample(gauge.feeds(SAMPLE)[0], self._output.graph, high - low) if probed else None
            self._use(open_session(settled.model or self._network.model, self._choice, sample))
        exact = settled.exact and self._fixed == (None, None)
        self._spec = replace(self._spec, exact=exact, statistics=settled.place)
        return settled.whole_tile

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """As the protocol says; requests of one size go through the network together, `batch` at a time."""
        if self._scene is None or self._session is None:
            raise ModelError(f"{self.card.name} was not prepared for a scene", hint="This is a fault of the program.")
        made: list[Pixels | None] = [None] * len(requests)
        fits = [Fit.of(request, self.card.stride, self._fixed) for request in requests]
        done = 0
        for places in _batches(fits, self.card.batch):
            part = self._pass([requests[p] for p in places], [fits[p] for p in places], self._scene)
            for place, pixels in zip(places, part, strict=True):
                made[place] = pixels
            done += len(places)
            yield Progress(done, len(requests), "generating")
        return [pixels for pixels in made if pixels is not None]

    def close(self) -> None:
        self._session = None
        self._scene = None

    def _pass(self, requests: Sequence[Request], fits: Sequence[Fit], scene: _Scene) -> list[Pixels]:
        """Once through the network."""
        feeds = [scene.encoder.feed(request, fit) for request, fit in zip(requests, fits, strict=True)]
        with explained(self._runtime, "run"):
            (answer,) = self._session.run([self._output.graph], stacked(self.card, feeds))
        wanted = (len(requests), len(self._output.bands), fits[0].height, fits[0].width)
        cut = [
            fit.cut(picture, request.labels.shape)
            for picture, fit, request in zip(self._pictures(answer, wanted), fits, requests, strict=True)
        ]
        return [
            decode(picture, self._output, scene.bands, scene.stretch, request.photo)
            for picture, request in zip(cut, requests, strict=True)
        ]

    def _pictures(self, answer: NDArray[Any], wanted: tuple[int, int, int, int]) -> Sequence[Channels]:
        """The answer channels first, refused unless it has the shape that was asked for."""
        got = np.asarray(answer)
        if self.card.layout == "nhwc" and got.ndim == 4:
            got = np.moveaxis(got, 3, 1)
        if got.shape != wanted:
            raise ModelError(
                f"{self.card.name} answered with {got.shape} in place of {wanted} (tiles, bands, rows, columns)",
                hint="A generator has to give one pixel a pixel. Correct `stride`, `tile` or the output in its card.",
            )
        return list(got)


def _adapted(weights: Weights, adapter: bytes | None) -> bytes | Path:
    if adapter is None:
        return weights.model
    if isinstance(weights.model, Path):
        raise ModelError("a model of several files cannot be adapted", hint="Use it without the adapter.")
    return unpack(adapter).apply(weights.model)


def _require_generator(card: ModelCard) -> CardOutput:
    if card.unfit or card.output is None:
        raise ModelError(
            f"{card.name} cannot make pixels from a map: {card.unfit}",
            hint="Choose a model of the kind map-to-image; `cimgen models` lists what there is.",
        )
    return card.output


def _fixed_size(card: ModelCard, graph: Graph) -> tuple[int | None, int | None]:
    """Rows and columns that the network insists on, None where it takes any."""
    sizes = [fixed_size(card, port) for port in graph.fed]
    return next((s[0] for s in sizes if s[0] is not None), None), next((s[1] for s in sizes if s[1] is not None), None)


def _batches(fits: Sequence[Fit], size: int) -> Iterator[list[int]]:
    """Places of requests that can go together, in their order."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, fit in enumerate(fits):
        alike.setdefault((fit.height, fit.width), []).append(place)
    for places in alike.values():
        for start in range(0, len(places), size):
            yield places[start : start + size]


def _warnings(
    card: ModelCard,
    scene: SceneView,
    table: ClassTable,
    made: Sequence[int | None],
    stretch: Stretch,
    whole_tile: Sequence[str],
    device_note: str,
) -> Iterator[str]:
    if table.foreign:
        as_what = f"as {card.unknown}" if card.unknown else "as unlabelled ground"
        yield f"{card.name} does not know {', '.join(table.foreign)}: such ground is fed {as_what}"
    if table.unreachable:
        yield f"no class of the palette stands for {', '.join(table.unreachable)}, which {card.name} could make"
    kept = [b for b in range(scene.info.bands) if b not in made and b != scene.info.alpha]
    if kept:
        named = ", ".join(str(b + 1) for b in kept)
        yield f"{card.name} does not make band {named}: it keeps the photo's old values there"
    lost = [name for name, band in zip(card.output.bands if card.output else (), made, strict=False) if band is None]
    if lost:
        yield f"the photo has no band for {', '.join(lost)}, which {card.name} makes"
    if stretch.measured:
        yield (
            f"{card.name} learned from {card.dtype} photos and this one is {scene.info.dtype}: its values from "
            f"{stretch.low:g} to {stretch.high:g} (measured) count as dark to bright, and no others are made"
        )
    yield from _resolution_warnings(card, scene.grid.metres_per_pixel)
    if whole_tile:
        yield f"{card.name} uses {', '.join(whole_tile)}, which looks at whole tiles: tiles may differ in tone"
    if device_note:
        yield device_note


def _resolution_warnings(card: ModelCard, metres: float | None) -> Iterator[str]:
    known = card.metres_range
    if metres is None and (card.metres_per_pixel or known):
        wanted = card.metres_per_pixel or (known or (0.0,))[0]
        yield f"the photo's ground resolution is not known; {card.name} is made for about {wanted:g} m a pixel"
    elif metres is not None and known is not None and not known[0] <= metres <= known[1]:
        yield f"the photo has {metres:.3g} m a pixel; {card.name} was tried from {known[0]:g} to {known[1]:g} m"
