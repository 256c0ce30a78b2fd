"""What lies between a scene and a network, whichever runtime computes the network: feeding, cutting, warning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.bands import find_bands, require_bands
from cimgen_qt.generators.cards import CardOutput, ModelCard
from cimgen_qt.generators.encode import Channels, ClassTable, Encoder, Fit, class_table, decode
from cimgen_qt.generators.exactness import stacked
from cimgen_qt.generators.stretch import Stretch, stretch_for

T = TypeVar("T")
Batch = Mapping[str, NDArray[Any]]
"""What the network is fed, by the name of its input: (tile, channel, row, col), or as the card's layout says."""
Run = Callable[[Batch], Job[NDArray[Any]]]


@dataclass(frozen=True)
class Feeding:
    """How a card's network is fed with one scene, and its answers understood. `bands[i]` is the band of channel i."""

    card: ModelCard
    output: CardOutput
    table: ClassTable
    encoder: Encoder
    bands: Sequence[int | None]
    stretch: Stretch

    @classmethod
    def of(cls, card: ModelCard, scene: SceneView) -> Feeding:
        """Raises ModelError where the model cannot be used on this scene at all."""
        output = require_generator(card)
        table = class_table(card, scene.palette)
        seen = [require_bands(group.bands, scene.info) for group in card.inputs]
        made = find_bands(output.bands, scene.info)
        if all(band is None for band in made):
            raise ModelError(
                f"the photo has none of the bands that {card.name} makes ({', '.join(output.bands)})",
                hint="Name the bands in the file, or choose another model.",
            )
        used = sorted({band for bands in seen for band in bands} | {band for band in made if band is not None})
        stretch = stretch_for(scene.info.dtype, card.dtype, card.levels, scene, used)
        return cls(card, output, table, Encoder(card, table, stretch, seen), made, stretch)

    def feed(self, requests: Sequence[Request], fits: Sequence[Fit]) -> Batch:
        """Requests of one size, stacked."""
        feeds = [self.encoder.feed(request, fit) for request, fit in zip(requests, fits, strict=True)]
        return stacked(self.card, feeds)

    def understood(self, answer: NDArray[Any], requests: Sequence[Request], fits: Sequence[Fit]) -> list[Pixels]:
        """Pixels of the photo for each request."""
        pictures = self._pictures(answer, (len(requests), len(self.output.bands), fits[0].height, fits[0].width))
        return [
            decode(fit.cut(picture, request.labels.shape), self.output, self.bands, self.stretch, request.photo)
            for picture, fit, request in zip(pictures, fits, requests, strict=True)
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


def generated(
    feeding: Feeding, requests: Sequence[Request], run: Run, fixed: tuple[int | None, int | None] = (None, None)
) -> Job[list[Pixels]]:
    """Requests of one size go through the network together, `batch` at a time. `fixed`: sizes it insists on."""
    made: list[Pixels | None] = [None] * len(requests)
    fits = [Fit.of(request, feeding.card.stride, fixed) for request in requests]
    done = 0
    for places in batches(fits, feeding.card.batch):
        part, part_fits = [requests[p] for p in places], [fits[p] for p in places]
        answer = yield from _within(run(feeding.feed(part, part_fits)), done, len(requests))
        pixels = feeding.understood(answer, part, part_fits)
        for place, one in zip(places, pixels, strict=True):
            made[place] = one
        done += len(places)
        yield Progress(done, len(requests), "generating")
    return [pixels for pixels in made if pixels is not None]


def _within(job: Job[T], done: int, total: int) -> Job[T]:
    """What `job` says while it waits, at the place of the whole."""
    try:
        while True:
            yield Progress(done, total, next(job).text)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        job.close()


def at_once(run: Callable[[Batch], NDArray[Any]]) -> Run:
    """A network of this process, which answers without waiting."""

    def job(batch: Batch) -> Job[NDArray[Any]]:
        yield from ()
        return run(batch)

    return job


def spec_of(card: ModelCard, sha256: str, device: str, note: str, adapter: str = "") -> GeneratorSpec:
    """`sha256` is that of the weights, `adapter` that of their change, if any."""
    return GeneratorSpec(
        name=card.name,
        version=card.version,
        tile=card.tile,
        stride=card.stride,
        halo=card.halo,
        largest=card.largest,
        metres_per_pixel=card.metres_per_pixel,
        bands=len(require_generator(card).bands),
        batch=card.batch,
        sha256=sha256,
        trained=card.trained,
        adapter=adapter,
        source=str(card.path),
        device=device,
        device_note=note,
    )


def require_generator(card: ModelCard) -> CardOutput:
    """The output of a card that can make pixels. Raises ModelError for another."""
    if card.unfit or card.output is None:
        raise ModelError(
            f"{card.name} cannot make pixels from a map: {card.unfit}",
            hint="Choose a model of the kind map-to-image; `cimgen models` lists what there is.",
        )
    return card.output


def batches(fits: Sequence[Fit], size: int) -> Iterator[list[int]]:
    """Places of requests that can go together, in their order."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, fit in enumerate(fits):
        alike.setdefault((fit.height, fit.width), []).append(place)
    for places in alike.values():
        for start in range(0, len(places), size):
            yield places[start : start + size]


def misfits(feeding: Feeding, scene: SceneView) -> Iterator[str]:
    """Everything of a scene that a model can be used on and yet does not suit it."""
    card, table, stretch = feeding.card, feeding.table, feeding.stretch
    if table.foreign:
        as_what = f"as {card.unknown}" if card.unknown else "as unlabelled ground"
        yield f"{card.name} does not know {', '.join(table.foreign)}: such ground is fed {as_what}"
    if table.unreachable:
        yield f"no class of the palette stands for {', '.join(table.unreachable)}, which {card.name} could make"
    kept = [b for b in range(scene.info.bands) if b not in feeding.bands and b != scene.info.alpha]
    if kept:
        named = ", ".join(str(b + 1) for b in kept)
        yield f"{card.name} does not make band {named}: it keeps the photo's old values there"
    lost = [name for name, band in zip(feeding.output.bands, feeding.bands, strict=True) if band is None]
    if lost:
        yield f"the photo has no band for {', '.join(lost)}, which {card.name} makes"
    if stretch.measured:
        yield (
            f"{card.name} learned from {card.dtype} photos and this one is {scene.info.dtype}: its values from "
            f"{stretch.low:g} to {stretch.high:g} (measured) count as dark to bright, and no others are made"
        )
    yield from _resolutions(card, scene.grid.metres_per_pixel)


def _resolutions(card: ModelCard, metres: float | None) -> Iterator[str]:
    known = card.metres_range
    if metres is None and (card.metres_per_pixel or known):
        wanted = card.metres_per_pixel or (known or (0.0,))[0]
        yield f"the photo's ground resolution is not known; {card.name} is made for about {wanted:g} m a pixel"
    elif metres is not None and known is not None and not known[0] <= metres <= known[1]:
        yield f"the photo has {metres:.3g} m a pixel; {card.name} was tried from {known[0]:g} to {known[1]:g} m"
