"""Turn classes and photo into the channels a network wants, and its answer back into pixels of the photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import Request
from cimgen_qt.core.palette import UNLABELLED, Palette, SemanticClass
from cimgen_qt.core.raster import Labels, Mask, Pixels
from cimgen_qt.generators.cards import CardInput, CardOutput, ModelCard
from cimgen_qt.generators.noise import ground_noise
from cimgen_qt.generators.stretch import Stretch

NOWHERE = -1
Indices = NDArray[np.int32]
"""(height, width) of the model's class indices, `NOWHERE` where it knows none."""
Channels = NDArray[Any]
"""(channel, height, width)."""


@dataclass(frozen=True)
class ClassTable:
    """`index[id]` is the model's class for a class of the map."""

    index: NDArray[np.int32]
    foreign: tuple[str, ...]
    """Classes of the palette that the model does not know."""
    unreachable: tuple[str, ...]
    """Classes of the model that nothing in the palette stands for."""

    def look_up(self, labels: Labels) -> Indices:
        """Classes of the map as indices of the model."""
        found: Indices = self.index[labels]
        return found


def class_table(card: ModelCard, palette: Palette) -> ClassTable:
    """Match classes by name and alias, without case; unlabelled and foreign ground becomes the card's `unknown` class.

    Raises ModelError where not one class of the palette is known to the model.
    """
    names = {c.name.casefold(): c.index for c in card.classes}
    aliases = {alias.casefold(): c.index for c in card.classes for alias in c.aliases}
    otherwise = names.get(card.unknown.casefold(), aliases.get(card.unknown.casefold(), NOWHERE))
    index = np.full(256, otherwise, np.int32)
    matched = {c.id: found for c in palette if (found := _match(c, names, aliases)) is not None}
    for class_id, found in matched.items():
        index[class_id] = found
    real = [c for c in palette if c.id != UNLABELLED]
    if not any(c.id in matched for c in real):
        raise ModelError(
            f"{card.name} knows none of the classes of palette {palette.name}: it knows "
            + ", ".join(c.name for c in card.classes),
            hint="Rename classes of the palette or add aliases to them, or choose another model.",
        )
    reached = {*matched.values(), otherwise}
    return ClassTable(
        index,
        tuple(c.name for c in real if c.id not in matched),
        tuple(c.name for c in card.classes if c.index not in reached),
    )


def _match(known: SemanticClass, names: Mapping[str, int], aliases: Mapping[str, int]) -> int | None:
    """A name counts more than an alias, on either side."""
    own, others = known.name.casefold(), [alias.casefold() for alias in known.aliases]
    for text in (own, *others):
        for table in (names, aliases):
            if text in table:
                return table[text]
    return None


def one_hot(indices: Indices, channels: int) -> NDArray[np.bool_]:
    """(channels, height, width); all False where the model knows no class."""
    made: NDArray[np.bool_] = np.arange(channels, dtype=np.int32)[:, None, None] == indices[None]
    return made


def coloured(indices: Indices, card: ModelCard) -> NDArray[np.float32]:
    """(3, height, width), 0 to 1: the map as a picture in the colours of the card, black where it names none."""
    table = np.zeros((max(c.index for c in card.classes) + 2, 3), np.float32)  # the last row is that of NOWHERE, -1
    for known in card.classes:
        if known.colour is not None:
            table[known.index] = np.array(known.colour, np.float32) / 255
    made: NDArray[np.float32] = np.moveaxis(table[indices], 2, 0)
    return made


def edges(indices: Indices) -> Mask:
    """True where a pixel differs from one of its four neighbours: the boundary map of pix2pixHD (Wang et al. 2018)."""
    made = np.zeros(indices.shape, np.bool_)
    across, down = indices[:, 1:] != indices[:, :-1], indices[1:] != indices[:-1]
    made[:, 1:] |= across
    made[:, :-1] |= across
    made[1:] |= down
    made[:-1] |= down
    return made


@dataclass(frozen=True, slots=True)
class Fit:
    """How a request lies in what the network is fed: `row`, `col` are the feed's first pixel on the ground.

    They are multiples of the stride, in pixels of the model; `top` and `left` are added before the request.
    """

    row: int
    col: int
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, request: Request, stride: int, fixed: tuple[int | None, int | None] = (None, None)) -> Fit:
        """`fixed` is the size that the network insists on. Raises ModelError where the request is larger."""
        spans = []
        window, shape = request.window, request.labels.shape
        for start, size, n, limit in zip((window.row, window.col), window.shape, shape, fixed, strict=True):
            place = round(start * n / size)
            before = place % stride if limit is None or n + place % stride <= limit else 0
            whole = limit or -(-(n + before) // stride) * stride
            if n > whole:
                raise ModelError(
                    f"the model takes {whole} pixels and no more, but a tile of this scene measures {n}",
                    hint="Make `tile` in its card smaller, so that tile and twice the halo leave some room.",
                )
            spans.append((place - before, before, whole))
        (row, top, height), (col, left, width) = spans
        return cls(row, col, top, left, height, width)

    def padded(self, array: NDArray[Any], mode: str) -> NDArray[Any]:
        """(height, width, ...) grown to the feed; too little to "reflect" is continued by its edge."""
        below, right = self.height - self.top - array.shape[0], self.width - self.left - array.shape[1]
        widths = [(self.top, below), (self.left, right)]
        if not any(map(any, widths)):
            return array
        fits = all(max(pads) < n for pads, n in zip(widths, array.shape, strict=False))
        widths += [(0, 0)] * (array.ndim - 2)
        return np.pad(array, widths, mode="reflect" if mode == "reflect" and fits else "edge")

    def grown(self, request: Request, mode: str) -> Request:
        """The request with all its arrays padded; its window is left alone."""
        return replace(
            request,
            labels=self.padded(request.labels, mode),
            photo=self.padded(request.photo, mode),
            mask=self.padded(request.mask, mode),
            valid=self.padded(request.valid, mode),
        )

    def cut(self, answer: Channels, shape: tuple[int, ...]) -> Channels:
        """The part of a (channel, height, width) answer that was asked for."""
        part: Channels = answer[:, self.top : self.top + shape[0], self.left : self.left + shape[1]]
        return part


@dataclass(frozen=True)
class Encoder:
    """`bands[i]` are the photo's bands for the i-th input of the card."""

    card: ModelCard
    table: ClassTable
    stretch: Stretch
    bands: Sequence[Sequence[int]]

    def feed(self, request: Request, fit: Fit) -> dict[str, Channels]:
        """Channels first, by the name of the graph's input, in the dtype of the card."""
        request = fit.grown(request, self.card.padding)
        indices = self.table.look_up(request.labels)
        groups: dict[str, list[Channels]] = {}
        for place, group in enumerate(self.card.inputs):
            made = self._group(group, list(self.bands[place]), indices, request, fit)
            groups.setdefault(group.graph, []).append(made.astype(group.dtype))
        return {name: parts[0] if len(parts) == 1 else np.concatenate(parts) for name, parts in groups.items()}

    def _group(self, group: CardInput, bands: list[int], indices: Indices, request: Request, fit: Fit) -> Channels:
        match group.group:
            case "labels-onehot":
                return normalised(one_hot(indices, group.channels), group)
            case "labels-index":
                return normalised(indices[None], group, spread=False)
            case "labels-colour":
                return normalised(coloured(indices, self.card), group)
            case "edges":
                return normalised(edges(indices)[None], group)
            case "mask":
                return normalised(request.mask[None], group)
            case "noise":
                noise = ground_noise(request.seed, group.channels, fit.row, fit.col, fit.height, fit.width)
                return normalised(noise, group, spread=False)
            case _:
                return self._photo(group, bands, request)

    def _photo(self, group: CardInput, bands: list[int], request: Request) -> Channels:
        seen = request.photo[..., bands]
        hidden = ~request.valid | ~np.isfinite(seen).all(axis=2)
        if group.group == "masked-photo":
            hidden |= request.mask
        shares = np.moveaxis(self.stretch.unit(seen), 2, 0)
        shown: Channels = np.where(hidden[None], np.float32(group.fill), normalised(shares, group))
        return shown


def normalised(values: Channels, group: CardInput, spread: bool = True) -> NDArray[np.float32]:
    """Channels as the card wants them; `spread` maps 0..1 to its range first."""
    made = values.astype(np.float32)
    if spread and group.range != (0.0, 1.0):
        made = made * np.float32(group.range[1] - group.range[0]) + np.float32(group.range[0])
    if group.mean:
        made = made - np.array(group.mean, np.float32)[:, None, None]
    if group.std:
        made = made / np.array(group.std, np.float32)[:, None, None]
    return made if group.scale == 1.0 else made * np.float32(group.scale)


def decode(
    answer: Channels, output: CardOutput, bands: Sequence[int | None], stretch: Stretch, photo: Pixels
) -> Pixels:
    """Pixels like `photo`, with the bands that the model makes replaced; the others (alpha, infrared) stay the photo's.

    `bands[i]` is the photo's band for the i-th channel; where several channels meet in one band, their mean is taken.
    Raises ModelError where the answer holds anything but numbers.
    """
    if not np.isfinite(answer).all():
        raise ModelError(
            "the model answered with values that are no numbers (NaN or infinite)",
            hint="Nothing was changed. Try the device cpu, or check the model with `cimgen models`.",
        )
    low, high = output.range
    shares = (answer.astype(np.float32) - np.float32(low)) * np.float32(1.0 / (high - low))
    made = np.array(photo)
    for band in sorted({b for b in bands if b is not None}):
        channels = [channel for channel, to in enumerate(bands) if to == band]
        share = np.clip(shares[channels], 0.0, 1.0).mean(axis=0) if len(channels) > 1 else shares[channels[0]]
        made[..., band] = stretch.native(share, photo.dtype)
    return made
