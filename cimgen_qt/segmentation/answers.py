"""What a segmentation network answers, turned into shares of classes: whatever form it gives them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.palette import UNLABELLED, Palette, SemanticClass, palette_of
from cimgen_qt.generators.cards import ModelCard

Shares = NDArray[np.float32]
"""(height, width, class) from 0 to 1; the sum over classes is 1 at most."""
ACTIVATIONS = ("softmax", "sigmoid", "none", "index")
"""`none`: shares come as they are; `index`: the number of the class comes."""
_NOTHING = (
    "background",
    "_background",
    "unlabelled",
    "unlabeled",
    "none",
    "nodata",
    "ignore",
    "void",
    "other",
    "not_class",
)
_COLOURS = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (240, 228, 66), (204, 121, 167), (86, 180, 233), (230, 159, 0),
            (104, 104, 110), (90, 200, 120), (0, 70, 40))  # fmt: skip
_MAP_BANDS = ("red", "green", "blue")


@dataclass(frozen=True)
class Reading:
    """How the channels of an answer stand for classes of a palette: `ids[i]` is the class of the i-th channel."""

    palette: Palette
    ids: tuple[int, ...]
    activation: str
    colours: bool = False
    """The answer is a map as a picture, in the colours of the palette."""
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """The class of the i-th share: each once, though several channels may stand for it."""
        return tuple(dict.fromkeys(self.ids))

    def shares(self, answer: NDArray[np.generic]) -> Shares:
        """From (channel, height, width), or (height, width) of one. Raises ModelError for other shapes."""
        if answer.ndim == 2:
            answer = answer[None]
        if self.colours:
            return _nearest(answer, self.palette, self.ids)
        if self.activation == "index":
            number = np.rint(answer[0]).astype(np.int64)
            known = (number >= 0) & (number < len(self.ids))
            label = np.where(known, np.array(self.ids)[np.where(known, number, 0)], -1)
            found: Shares = (label[..., None] == np.array(self.classes)).astype(np.float32)
            return found
        return self._merged(self._channels(answer))

    def _merged(self, values: Shares) -> Shares:
        """Shares of channels that mean the same are added; of those that mean nothing here the largest counts."""
        if len(self.classes) == len(self.ids):
            return values
        ids = np.array(self.ids)
        alike = [(i, values[..., ids == i]) for i in self.classes]
        parts = [found.max(2) if i == UNLABELLED else found.sum(2) for i, found in alike]
        return np.stack(parts, 2)

    def _channels(self, answer: NDArray[np.generic]) -> Shares:
        count = len(self.ids)
        values: Shares = np.moveaxis(answer, 0, 2).astype(np.float32)
        if not np.isfinite(values).all():
            raise ModelError("the model answered with values that are no numbers", hint="Try the device cpu.")
        if values.shape[2] == 1 and count == 2:
            one = _logistic(values) if self.activation != "none" else values
            both: Shares = np.concatenate([1 - one, one], 2)
            return both
        if values.shape[2] != count:
            raise ModelError(
                f"the model answers with {values.shape[2]} channels for {count} classes",
                hint="Name its classes in its card.",
            )
        if self.activation == "softmax":
            values = np.exp(values - values.max(2, keepdims=True))
            values /= values.sum(2, keepdims=True)
            return values
        if self.activation == "sigmoid":
            values = _logistic(values)
        values /= np.maximum(1.0, values.sum(2, keepdims=True))
        return values


def reading_of(card: ModelCard, palette: Palette | None, channels: int | None, integer: bool) -> Reading:
    """Match the classes of a card with a palette by name and alias; without one the card's own classes are the palette.

    `channels` of the answer, None where the file does not say. Classes that the palette lacks are read as unlabelled.
    Raises ModelError where no class of the two is the same, or the card names none.
    """
    colours = card.output is not None and tuple(card.output.bands) == _MAP_BANDS
    if colours:
        if palette is None:
            raise ModelError(f"{card.name} paints maps as pictures", hint="Name the palette that gives its colours.")
        return Reading(palette, tuple(c.id for c in palette if c.id != UNLABELLED), "none", colours=True)
    names = {c.index: (c.name, *c.aliases) for c in card.classes}
    if not names and channels == 1:
        names = {0: ("background",), 1: ("object",)}
    if not names:
        raise ModelError(f"{card.name} names no classes", hint="Name them in its card.")
    if len(names) == 1 and channels == 1:
        names = {0: ("background",), 1: next(iter(names.values()))}
    count = max(names) + 1
    if channels is not None and not integer and channels != count and (channels, count) != (1, 2):
        raise ModelError(
            f"{card.name} answers with {channels} channels for {count} classes", hint="Name its classes in its card."
        )
    chosen = _own_palette(names, {c.name: c.colour for c in card.classes}) if palette is None else palette
    ids = tuple(_id_of(names.get(index, ()), chosen) for index in range(count))
    if not any(ids):
        raise ModelError(
            f"{card.name} knows none of the classes of palette {chosen.name}: it knows "
            + ", ".join(name[0] for name in names.values()),
            hint="Add aliases to the palette's classes, or choose another model.",
        )
    lost = [name[0] for index, name in names.items() if not ids[index] and name[0].casefold() not in _NOTHING]
    notes = (f"the palette has no class for {', '.join(lost)}: such ground stays unlabelled",) if lost else ()
    return Reading(chosen, ids, "index" if integer else _activation(card), notes=notes)


def _activation(card: ModelCard) -> str:
    said = dict(card.extra).get("activation", "")
    return said if said in ACTIVATIONS else ""


def _id_of(names: tuple[str, ...], palette: Palette) -> int:
    for name in names:
        if name.casefold() in _NOTHING:
            return UNLABELLED
    wanted = {name.casefold() for name in names}
    for known in palette:
        if known.id != UNLABELLED and known.name.casefold() in wanted:
            return known.id
    for known in palette:
        if known.id != UNLABELLED and wanted & {alias.casefold() for alias in known.aliases}:
            return known.id
    return UNLABELLED


def _own_palette(names: dict[int, tuple[str, ...]], colours: Mapping[str, tuple[int, int, int] | None]) -> Palette:
    made = [SemanticClass(UNLABELLED, "unlabelled", (128, 128, 128))]
    for name, *aliases in names.values():
        if name.casefold() not in _NOTHING:
            number = len(made)
            colour = colours.get(name) or _COLOURS[(number - 1) % len(_COLOURS)]
            made.append(SemanticClass(number, name, colour, aliases=tuple(aliases)))
    return palette_of(made, "of the model")


def decided(reading: Reading, answer: NDArray[np.generic]) -> Reading:
    """With an activation where the card says none: shares are taken as such if they are, else they are made.

    Shares may sum to 1, or stand each for itself (one sigmoid a class).
    """
    if reading.activation or reading.colours:
        return reading
    if answer.ndim == 2:
        answer = answer[None]
    values = np.asarray(answer, np.float32)
    within = values.min() >= -1e-3 and values.max() <= 1 + 1e-3
    if values.shape[0] == 1 and len(reading.ids) == 2:
        return replace(reading, activation="none" if within else "sigmoid")
    return replace(reading, activation="none" if within else "softmax")


def _nearest(answer: NDArray[np.generic], palette: Palette, ids: tuple[int, ...]) -> Shares:
    """Shares by how near a painted colour, in -1..1, is to those of the palette."""
    table = palette.colour_table()[list(ids)].astype(np.float32)
    painted = (np.moveaxis(answer[:3], 0, 2).astype(np.float32) + 1) * 127.5
    off = np.stack([((painted - colour) ** 2).sum(2) for colour in table], 2)
    near: Shares = np.exp(-(off - off.min(2, keepdims=True)) / (2 * 32.0**2))
    near /= near.sum(2, keepdims=True)
    return near


def _logistic(values: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(values, -60, 60)))).astype(np.float32)
    return found
