"""Make pixels with an ONNX model: any network that turns classes, photo and noise into a picture.

A network whose every pixel depends on a bounded neighbourhood gives the same pixels from any tile that includes that
neighbourhood (`halo`), if tiles begin at multiples of its `stride`; `Fit` and the lattice of `core.tiling` see to both.
Instance normalisation and its kin break this: their statistics are those of the tile, so tiles differ where they meet.
So `prepare` measures them once, on a typical window of the unedited scene, and keeps them (`frozen`); where it cannot,
it warns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.adapters import unpack
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice, Opened, explained, open_session
from cimgen_qt.generators.encode import class_table
from cimgen_qt.generators.exactness import SAMPLE, Gauge, Network
from cimgen_qt.generators.feeding import Batch, Feeding, at_once, generated, misfits, require_generator, spec_of
from cimgen_qt.generators.onnx_graph import Graph
from cimgen_qt.generators.precision import Sample
from cimgen_qt.generators.stretch import Stretch
from cimgen_qt.generators.weights import Weights, fixed_size, load_weights, require_agreement


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
        self._output = require_generator(card)
        self.card = card
        if palette is not None:
            class_table(card, palette)
        weights = load_weights(card)
        require_agreement(card, weights.graph)
        self._choice = choice or Choice()
        found = "" if adapter is None else hashlib.sha256(adapter).hexdigest()
        self._network = Network(card, self._output.graph, replace(weights, model=_adapted(weights, adapter)), found)
        self._fixed = _fixed_size(card, weights.graph)
        self._feeding: Feeding | None = None
        self._spec = spec_of(card, weights.sha256, "cpu", "", found)
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
        return None if self._feeding is None else self._feeding.stretch

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        """Fit palette, bands and range of the scene to the card; the warnings name all that does not fit.

        Raises ModelError where the model cannot be used on this scene at all.
        """
        yield Progress(0, 1, "measuring the photo")
        feeding = Feeding.of(self.card, scene)
        yield Progress(0, 1, "preparing the network")
        whole = self._settle(scene, feeding)
        self._feeding = feeding
        warnings = list(misfits(feeding, scene))
        if whole:
            used = ", ".join(whole)
            warnings.append(f"{self.card.name} uses {used}, which looks at whole tiles: tiles may differ in tone")
        return tuple([*warnings, self._spec.device_note] if self._spec.device_note else warnings)

    def _settle(self, scene: SceneView, feeding: Feeding) -> Sequence[str]:
        """Freeze what depends on whole tiles, choose the precision, and find out whether tiles may be cut.

        Gives the operators that still look at whole tiles.
        """
        gauge, probed = Gauge(scene, self._spec, feeding.encoder, self._fixed), self._choice.precision == "auto"
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
        if self._feeding is None or self._session is None:
            raise ModelError(f"{self.card.name} was not prepared for a scene", hint="This is a fault of the program.")
        return (yield from generated(self._feeding, requests, at_once(self._run), self._fixed))

    def close(self) -> None:
        self._session = None
        self._feeding = None

    def _run(self, batch: Batch) -> NDArray[Any]:
        with explained(self._runtime, "run"):
            (answer,) = self._session.run([self._output.graph], batch)
        return answer  # type: ignore[no-any-return]


def _adapted(weights: Weights, adapter: bytes | None) -> bytes | Path:
    if adapter is None:
        return weights.model
    if isinstance(weights.model, Path):
        raise ModelError("a model of several files cannot be adapted", hint="Use it without the adapter.")
    return unpack(adapter).apply(weights.model)


def _fixed_size(card: ModelCard, graph: Graph) -> tuple[int | None, int | None]:
    """Rows and columns that the network insists on, None where it takes any."""
    sizes = [fixed_size(card, port) for port in graph.fed]
    return next((s[0] for s in sizes if s[0] is not None), None), next((s[1] for s in sizes if s[1] is not None), None)
