"""Settle a network on a scene: statistics of whole tiles frozen, and known whether tiles may be cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.render import request_for
from cimgen_qt.core.tiling import Lattice, Tile
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice, explained, open_session
from cimgen_qt.generators.encode import Channels, Encoder, Fit
from cimgen_qt.generators.frozen import SIDE, Freezer, Statistics, Unedited, typical
from cimgen_qt.generators.reach import reach
from cimgen_qt.generators.remembered import recall, remember
from cimgen_qt.generators.weights import Weights, outer_side

SAMPLE = 128
"""Side, in pixels of the model, of what precisions are tried on."""
_METHOD = "mean and variance 1"
"""Part of what names a measurement: another way to measure gives other statistics."""

Feeds = Mapping[str, NDArray[Any]]


def stacked(card: ModelCard, parts: Sequence[Mapping[str, Channels]]) -> dict[str, NDArray[Any]]:
    """Feeds of several tiles as one batch, in the layout of the card."""
    batch = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    if card.layout == "nchw":
        return batch
    return {name: np.ascontiguousarray(np.moveaxis(values, 1, 3)) for name, values in batch.items()}


@dataclass(frozen=True)
class Gauge:
    """Feeds a network with the scene as it was before any edit."""

    scene: SceneView
    spec: GeneratorSpec
    encoder: Encoder
    fixed: tuple[int | None, int | None]

    def feeds(self, side: int) -> tuple[Feeds, Tile]:
        """A typical window of about this many pixels of the model a side, as a batch of one, and where it is."""
        card, scene = self.encoder.card, Unedited(self.scene)
        limits = [side, *(limit for limit in self.fixed if limit is not None)]
        side = max(card.stride, min(limits) // card.stride * card.stride)
        tile = typical(scene, Lattice.of(self.spec, scene.grid), side)
        request = request_for(scene, tile, 0, self.spec.metres_per_pixel)
        return stacked(card, [self.encoder.feed(request, Fit.of(request, card.stride, self.fixed))]), tile


@dataclass(frozen=True)
class Settled:
    """`model` is the network to use, None: as it was. `place` tells where its statistics come from, if it has any.

    `whole_tile` names the operators that still look at whole tiles; `exact` is True where it is proven that nothing
    looks beyond the halo of the card, and that tiles lie as they must.
    """

    model: bytes | None
    place: str
    exact: bool
    whole_tile: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """A model as it came, proven and of a card; `output` is the one that counts, `adapter` the hash of its change."""

    card: ModelCard
    output: str
    weights: Weights
    adapter: str = ""

    @property
    def model(self) -> bytes | Path:
        return self.weights.model

    def settled(self, gauge: Gauge, choice: Choice) -> Settled:
        """What cannot be measured or frozen stays as it was, and is named."""
        whole = tuple(self.weights.graph.whole_tile_operators)
        parsed = _parsed(self.model)
        if parsed is None:
            return Settled(None, "", False, whole)
        freezer, place = Freezer(parsed), ""
        if freezer.is_able(self.card.batch):
            statistics, window = self._measured(freezer, gauge, choice)
            if freezer.fits(statistics):
                freezer.freeze(statistics)
                place = f"row {window.row}, column {window.col}, {window.height} x {window.width} pixels"
                whole = ()
        exact = not whole and self._is_exact(parsed)
        return Settled(parsed.SerializeToString() if place else None, place, exact, whole)

    def _measured(self, freezer: Freezer, gauge: Gauge, choice: Choice) -> tuple[Statistics, Window]:
        """In float32 on the CPU, whatever else is chosen: the same everywhere.

        Raises ModelError where the network does not run or answers with what is no number.
        """
        feeds, tile = gauge.feeds(min(SIDE, outer_side(self.card) or SIDE))
        key = _key(f"{_METHOD} {self.weights.sha256} {self.adapter}", feeds)
        kept = recall(key, freezer.taps)
        if kept is not None:
            return kept, tile.outer
        opened = open_session(freezer.measuring(), replace(choice, device="cpu", precision="fp32"))
        with explained(opened.runtime, "run"):
            found = dict(zip(freezer.taps, opened.session.run(freezer.taps, dict(feeds)), strict=True))
        if not all(np.isfinite(values).all() for values in found.values()):
            raise ModelError(
                f"{self.card.name} computes values that are no numbers (NaN or infinite) on this scene",
                hint="Check the model with `cimgen models`.",
            )
        remember(key, found)
        return found, tile.outer

    def _is_exact(self, parsed: Any) -> bool:
        found = reach(parsed, self.output, self.card.layout)
        halo = -(-self.card.halo // self.card.stride) * self.card.stride
        return found is not None and found.halo <= halo and self.card.stride % found.grain == 0


def _parsed(model: bytes | Path) -> Any:
    """An onnx.ModelProto; None where the package onnx is missing or weights lie in files of their own."""
    if isinstance(model, Path):
        return None
    try:
        import onnx
    except ImportError:
        return None
    return onnx.load_from_string(model)


def _key(maker: str, feeds: Feeds) -> str:
    digest = hashlib.sha256(maker.encode())
    for name in sorted(feeds):
        digest.update(f"{name} {feeds[name].shape} {feeds[name].dtype}".encode())
        digest.update(np.ascontiguousarray(feeds[name]).tobytes())
    return digest.hexdigest()
