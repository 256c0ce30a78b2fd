"""Make pixels with a model that a server computes: Triton, KServe or another of the Open Inference Protocol v2.

Which server that is stands in the card; that pixels may go there is said by the user (`remote_trust`). Nobody can look
into the network from here, so whether its tiles agree is tried out on made-up ground before any photo is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.grid import Window
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Pixels, RasterInfo
from cimgen_qt.generators.cards import CardRemote, ModelCard
from cimgen_qt.generators.encode import Fit, class_table
from cimgen_qt.generators.feeding import Batch, Feeding, generated, misfits, require_generator, spec_of
from cimgen_qt.generators.remote_protocol import BINARY, LENGTH, inference, largest_answer, parsed, ports, understood
from cimgen_qt.generators.remote_server import Server
from cimgen_qt.generators.remote_trust import is_local, require_allowed
from cimgen_qt.generators.weights import fixed_size, graph_faults, outer_side

_ALIKE = 0.05
"""Levels of 255 that two tiles may differ where they meet and still count as one picture."""
_PATCH = 16
_TRIED = 256


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server says of itself and the model: `fixed` are rows and columns that the model insists on."""

    server: str
    versions: str
    binary: bool
    fixed: tuple[int | None, int | None]


class Remote:
    """Belongs to one thread. `close` ends the connection."""

    def __init__(self, card: ModelCard, palette: Palette | None = None, adapter: bytes | None = None) -> None:
        """Asks nothing yet. Raises ModelError where the card is no generator's, its server is not allowed, or the
        palette does not fit. Adapters change weights that are here, so one is refused.
        """
        output = require_generator(card)
        if adapter is not None:
            raise ModelError(
                f"{card.name} cannot be adapted to a scene", hint="Drop the adapter, or take a local model."
            )
        if palette is not None:
            class_table(card, palette)
        self.card, self._output = card, output
        self._at = server_of(card)
        require_allowed(self._at.url, card.name)
        self._server = Server(self._at.url, self._at.timeout)
        self._feeding: Feeding | None = None
        self._greeting: Greeting | None = None
        self._spec = spec_of(card, "", self._server.origin, "")

    @property
    def spec(self) -> GeneratorSpec:
        return self._spec

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        """Ask the server whether it is ready and its model is the card's; no pixel of the scene is sent yet.

        Raises ModelError where the server is away, or the model cannot be used on this scene at all.
        """
        yield Progress(0, 2, f"asking {self._server.origin}; pixels round each change will be sent there")
        feeding = Feeding.of(self.card, scene)
        self._greeting = greeting = yield from greet(self.card, self._server)
        self._spec = replace(self._spec, device=f"{self._server.origin} ({greeting.server})")
        yield Progress(1, 2, "trying it on made-up ground")
        agree = yield from self._agrees(feeding, scene.info)
        self._spec = replace(self._spec, exact=agree and greeting.fixed == (None, None))
        self._feeding = feeding
        warnings = [*misfits(feeding, scene), self._where()]
        if not agree:
            warnings.append(f"tiles of {self.card.name} differ where they meet: it looks further than its card says")
        return tuple(warnings)

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """As the protocol says; requests of one size go together, `batch` at a time."""
        if self._feeding is None or self._greeting is None:
            raise ModelError(f"{self.card.name} was not prepared for a scene", hint="This is a fault of the program.")
        return (yield from generated(self._feeding, requests, self._run, self._greeting.fixed))

    def close(self) -> None:
        self._server.close()
        self._feeding = None

    def _where(self) -> str:
        said = f"pixels round each change are sent to {self._spec.device}"
        if is_local(self._at.url):
            return f"{said}, on this machine"
        return said if self._at.url.startswith("https:") else f"{said}, unencrypted"

    def _run(self, batch: Batch) -> Job[NDArray[Any]]:
        binary = self._greeting is None or self._greeting.binary
        size = next(iter(batch.values())).shape
        rows, cols = (size[self.card.layout.index(side)] for side in "hw")
        bands = len(self._output.bands)
        shape = (size[0], bands, rows, cols) if self.card.layout == "nchw" else (size[0], rows, cols, bands)
        answer = yield from self._server.ask(
            *_place(self._at), "infer",
            sent=inference(batch, self._output.graph, binary), largest=largest_answer(shape, binary),
        )  # fmt: skip
        return understood(answer.body, answer.headers.get(LENGTH.lower()), self._output.graph, shape)

    def _agrees(self, feeding: Feeding, info: RasterInfo) -> Job[bool]:
        """Whether two tiles give the same where both see the card's halo; False where that cannot be tried."""
        card = self.card
        halo = -(-card.halo // card.stride) * card.stride
        fixed = None if self._greeting is None else self._greeting.fixed[0]
        side = fixed or outer_side(card) or min(card.largest, max(_TRIED, 2 * halo + 4 * card.stride))
        side = side // card.stride * card.stride
        shift = max(card.stride, (side - 2 * halo) // 2 // card.stride * card.stride)
        kept = side - shift - 2 * halo
        if kept <= 0:
            return False
        ground = _made_up(feeding, info, side + shift)
        pictures = []
        for start in (0, shift):
            request = _cut(ground, start, side)
            fit = Fit.of(request, card.stride, (None, None))
            answer = yield from self._run(feeding.feed([request], [fit]))
            picture = answer[0] if card.layout == "nchw" else np.moveaxis(answer[0], 2, 0)
            begin = shift - start + halo
            pictures.append(picture[:, begin : begin + kept, begin : begin + kept].astype(np.float64))
        low, high = self._output.range
        return bool(np.abs(pictures[0] - pictures[1]).max() * 255 / (high - low) <= _ALIKE)


def server_of(card: ModelCard) -> CardRemote:
    """Raises ModelError where the model runs on this machine."""
    if card.remote is None:
        raise ModelError(f"{card.name} names no server", hint="This is a fault of the program.")
    return card.remote


def greet(card: ModelCard, server: Server) -> Job[Greeting]:
    """Raises ModelError where the server or the model is not ready, or the model differs from its card."""
    place = _place(server_of(card))
    yield from server.ask("health", "ready")
    about = parsed((yield from server.ask()).body)
    yield from server.ask(*place, "ready")
    facts = parsed((yield from server.ask(*place)).body)
    graph = ports(facts)
    faults = graph_faults(card, graph)
    if faults:
        raise ModelError(
            f"{card.name}: the card does not describe the model on the server: {'; '.join(faults)}",
            hint="Correct the card, or the model's name and version in it.",
        )
    sizes = [fixed_size(card, port) for port in graph.fed]
    fixed = tuple(next((size[side] for size in sizes if size[side] is not None), None) for side in (0, 1))
    extensions = about.get("extensions")
    versions = facts.get("versions")
    return Greeting(
        _plain(f"{about.get('name', 'server')} {about.get('version', '')}"),
        _plain(", ".join(map(str, versions))) if isinstance(versions, list) else "",
        isinstance(extensions, list) and BINARY in extensions,
        (fixed[0], fixed[1]),
    )


def _plain(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable()).strip()[:60]


def _place(at: CardRemote) -> tuple[str, ...]:
    return ("models", at.model, *(("versions", at.version) if at.version else ()))


def _made_up(feeding: Feeding, info: RasterInfo, side: int) -> Request:
    """Ground of chance: patches of all classes, noise for a photo, every other patch to be made."""
    rng = np.random.default_rng(1)
    count = -(-side // _PATCH)

    def patches(values: NDArray[Any]) -> NDArray[Any]:
        return np.kron(values, np.ones((_PATCH, _PATCH), values.dtype))[:side, :side]

    known = np.flatnonzero(feeding.table.index >= 0).astype(np.uint8)
    labels = patches(rng.choice(known, (count, count)))
    stretch = feeding.stretch
    photo = rng.uniform(stretch.low, stretch.high, (side, side, info.bands)).astype(info.dtype)
    mask = patches(rng.random((count, count)) < 0.5).astype(np.bool_)
    return Request(Window(0, 0, side, side), labels, photo, mask, np.ones((side, side), np.bool_), 1)


def _cut(ground: Request, start: int, side: int) -> Request:
    part = (slice(start, start + side),) * 2
    return replace(
        ground, window=Window(start, start, side, side), labels=ground.labels[part], photo=ground.photo[part],
        mask=ground.mask[part], valid=ground.valid[part],
    )  # fmt: skip
