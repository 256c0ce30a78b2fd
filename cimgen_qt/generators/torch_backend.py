"""Make pixels with a network of PyTorch's: a .pth of pix2pixHD, CycleGAN or pix2pix, or a .safetensors of their kind.

Their instance norms look at whole tiles, so tiles would differ where they meet. `prepare` therefore measures all
statistics on one window of the unedited scene and keeps them (`networks.frozen`), unless the card wants those of each
tile. Batch norms use what they learned, as pix2pix does with its option --eval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.disk import explained as disk_explained
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.generator import GeneratorSpec, Request, SceneView
from cimgen_qt.core.jobs import Job, Progress
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Pixels
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.devices import Choice
from cimgen_qt.generators.encode import class_table
from cimgen_qt.generators.exactness import Gauge
from cimgen_qt.generators.feeding import Batch, Feeding, at_once, generated, misfits, require_generator, spec_of
from cimgen_qt.generators.frozen import SIDE
from cimgen_qt.generators.torch_devices import choose, exact, explained, torch_module
from cimgen_qt.generators.weights import LARGEST_BYTES, outer_side, require_file, require_hash
from cimgen_qt.networks.architecture import PAINTERS, Architecture


class Torch:
    """Belongs to one thread. Weights are proven and loaded when it is made; `close` gives the memory back.

    `Choice.threads` sets those of the whole process, as PyTorch knows no others.
    """

    def __init__(
        self,
        card: ModelCard,
        choice: Choice | None = None,
        palette: Palette | None = None,
        adapter: bytes | None = None,
    ) -> None:
        """Raises ModelError where the card is no generator's, PyTorch is missing, or weights or palette do not fit.

        Adapters are made for ONNX models alone, so one is refused.
        """
        require_generator(card)
        if adapter is not None:
            raise ModelError(
                f"{card.name} cannot be adapted to a scene", hint="Drop the adapter, or take an ONNX model."
            )
        self.card = card
        if palette is not None:
            class_table(card, palette)
        choice = choice or Choice()
        self._torch = torch_module()
        device, note = choose(choice.device)
        if choice.threads:
            self._torch.set_num_threads(choice.threads)
        module, architecture, sha256 = _load(card)
        _require_agreement(card, architecture)
        from cimgen_qt.networks.frozen import freezable
        from cimgen_qt.networks.receptive import reach

        self._reach = reach(module)
        self._norms = freezable(module)
        with explained("loaded"):
            self._module: Any = module.to(device)
        self._feeding: Feeding | None = None
        self._spec = spec_of(card, sha256, device, note)

    @property
    def spec(self) -> GeneratorSpec:
        return self._spec

    def prepare(self, scene: SceneView) -> Job[tuple[str, ...]]:
        """Fit palette, bands and range of the scene to the card, and measure statistics on it.

        Raises ModelError where the model cannot be used on this scene at all.
        """
        if self._module is None:
            raise ModelError(f"{self.card.name} is closed", hint="This is a fault of the program.")
        yield Progress(0, 2, "measuring the photo")
        feeding = Feeding.of(self.card, scene)
        warnings = list(misfits(feeding, scene))
        yield Progress(1, 2, "measuring what the network sees")
        self._settle(feeding, scene)
        self._feeding = feeding
        warnings += self._seams()
        return tuple([*warnings, self._spec.device_note] if self._spec.device_note else warnings)

    def generate(self, requests: Sequence[Request]) -> Job[list[Pixels]]:
        """As the protocol says; requests of one size go through the network together, `batch` at a time."""
        if self._feeding is None:
            raise ModelError(f"{self.card.name} was not prepared for a scene", hint="This is a fault of the program.")
        return (yield from generated(self._feeding, requests, at_once(self._run)))

    def close(self) -> None:
        self._module = None
        self._feeding = None

    def _settle(self, feeding: Feeding, scene: SceneView) -> None:
        """Freeze what depends on whole tiles, and say whether tiles may be cut."""
        from cimgen_qt.networks.frozen import freeze, thaw

        thaw(self._module)
        place = ""
        if self._norms and self.card.statistics == "scene":
            gauge = Gauge(scene, self._spec, feeding.encoder, (None, None))
            feeds, tile = gauge.feeds(min(SIDE, outer_side(self.card) or SIDE))
            with explained("run"), exact(self._torch):
                freeze(self._module, self._tensor(feeds))
            row, col = tile.outer.row, tile.outer.col
            place = f"row {row}, column {col}, {tile.outer.height} x {tile.outer.width} pixels"
        settled = bool(place) or not self._norms
        self._spec = replace(self._spec, exact=settled and not self._short, statistics=place)

    @property
    def _short(self) -> bool:
        """Whether tiles see less around themselves than the network looks at."""
        return -(-self.card.halo // self.card.stride) * self.card.stride < self._reach.halo

    def _seams(self) -> Iterator[str]:
        """Reasons why tiles may not agree where they meet."""
        if self._norms and self.card.statistics == "tile":
            yield f"{self.card.name} normalises each tile by itself: tiles may differ in tone"
        elif self.card.tile and self._short:
            yield (
                f"{self.card.name} sees {self.card.halo} pixels round a tile and looks {self._reach.halo} far: "
                "tiles may differ a little where they meet"
            )

    def _run(self, batch: Batch) -> NDArray[Any]:
        with explained("run"), exact(self._torch):
            made: NDArray[Any] = self._module(self._tensor(batch)).cpu().numpy()
        return made

    def _tensor(self, batch: Batch) -> Any:
        (fed,) = batch.values()
        return self._torch.from_numpy(np.ascontiguousarray(fed, np.float32)).to(self._spec.device)


def _load(card: ModelCard) -> tuple[Any, Architecture, str]:
    """The network, what it is, and the hash of its file."""
    from cimgen_qt.networks.official import load

    path = require_file(card, card.file)
    with disk_explained(path, "read", ModelError):
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelError(f"{card.file} is larger than weights of such networks are", hint="Is it the right file?")
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if card.sha256:
        require_hash(card.file, found, card.sha256)
    loaded = load(path, card.network, content)
    if not loaded.fit.complete:
        faults = [*map(str, loaded.fit.mismatched), *(f"{name} is missing" for name in loaded.fit.missing)]
        faults += [f"{name} has no place" for name in loaded.fit.unexpected]
        raise ModelError(
            f"{card.file} does not fit the network that its card describes: {'; '.join(faults[:3])}",
            hint="Correct [network] and the inputs in the card, or leave [network] out: it is told from the weights.",
        )
    return loaded.module, loaded.architecture, found


def _require_agreement(card: ModelCard, network: Architecture) -> None:
    """What a card can say wrong about a network that was told from its weights."""
    channels, bands = sum(group.channels for group in card.inputs), len(require_generator(card).bands)
    faults = []
    if network.kind not in PAINTERS:
        faults.append(f"the network is of the kind {network.kind}, which judges pictures and makes none")
    if len({group.graph for group in card.inputs}) > 1:
        faults.append("the network has one input, so all groups need the same `graph`")
    if channels != network.inputs:
        faults.append(f"the network takes {network.inputs} channels, the card gives it {channels}")
    if bands != network.outputs:
        faults.append(f"the network makes {network.outputs} bands, the card names {bands}")
    if card.stride % network.stride:
        faults.append(f"the network wants a stride of {network.stride}, the card says {card.stride}")
    if card.layout != "nchw":
        faults.append("the layout of PyTorch's networks is nchw")
    if faults:
        raise ModelError(f"{card.name} and its card differ: {'; '.join(faults)}", hint="Correct the card.")
