"""Write the card of a published checkpoint: all that its weights tell, and the classes that only its author knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.cards import TORCH, CardClass, CardInput, CardOutput, ModelCard
from cimgen_qt.generators.torch_devices import torch_module
from cimgen_qt.generators.weights import file_sha256
from cimgen_qt.networks.architecture import PAINTERS, Architecture

TILE = 256
GRAPH = "map"
RGB = ("red", "green", "blue")


def draft_card(
    path: Path,
    classes: Sequence[str] | Mapping[str, tuple[int, int, int]],
    licence: str,
    name: str = "",
    metres_per_pixel: float | None = None,
) -> ModelCard:
    """A card for a .pth or .safetensors that paints from one-hot `classes`, and edges if it takes one channel more.

    `classes` are in the order of the channels; with colours (red, green, blue), the network takes a picture of the map,
    as CycleGAN and pix2pix do, and unlabelled ground is the last class. Its tiles show as far as the network looks, so
    they meet without a seam.
    Raises ModelError where the file is refused, is of no network that paints, or takes other channels.
    """
    if path.suffix.lower() not in TORCH:
        raise ModelError(f"{path.name} is no checkpoint", hint=f"Give a file ending in {' or '.join(TORCH)}.")
    torch_module()
    from cimgen_qt.networks.official import load
    from cimgen_qt.networks.receptive import reach

    loaded = load(path)
    network, halo = loaded.architecture, reach(loaded.module).halo if loaded.architecture.kind in PAINTERS else 0
    colours = dict(classes) if isinstance(classes, Mapping) else {}
    return ModelCard(
        name=name or path.stem,
        version="1",
        kind="map-to-image",
        path=path.with_suffix(".toml"),
        file=path.name,
        sha256=file_sha256(path),
        licence=licence,
        notes=f"Told from its weights: {_spoken(network)}.",
        classes=tuple(CardClass(index, text, (), colours.get(text)) for index, text in enumerate(classes)),
        unknown=list(colours)[-1] if colours else "",
        inputs=_inputs(path.name, network, len(classes), bool(colours)),
        output=CardOutput("photo", _bands(path.name, network), (-1.0, 1.0)),
        metres_per_pixel=metres_per_pixel,
        tile=TILE,
        stride=network.stride,
        halo=halo,
        largest=max(2048, TILE + 2 * halo),
    )


def _inputs(file: str, network: Architecture, classes: int, coloured: bool) -> tuple[CardInput, ...]:
    if network.kind not in PAINTERS:
        raise ModelError(
            f"{file} is a {network.kind}, which judges pictures and makes none", hint="Take the generator."
        )
    if coloured:
        if network.inputs != len(RGB):
            raise ModelError(
                f"{file} takes {network.inputs} channels, and a picture of the map has {len(RGB)}",
                hint="Name the classes without colours.",
            )
        return (CardInput("labels-colour", GRAPH, len(RGB), range=(-1.0, 1.0)),)
    labels = CardInput("labels-onehot", GRAPH, classes)
    if network.inputs == classes:
        return (labels,)
    if network.inputs == classes + 1:
        return labels, CardInput("edges", GRAPH, 1)
    raise ModelError(
        f"{file} takes {network.inputs} channels, and {classes} classes were named",
        hint=f"Name {network.inputs} classes, or {network.inputs - 1} if it was trained with edges of objects. What "
        "takes a coloured picture of the map needs the colours of the classes.",
    )


def _bands(file: str, network: Architecture) -> tuple[str, ...]:
    if network.outputs == 1:
        return ("1",)
    if network.outputs != len(RGB):
        raise ModelError(f"{file} makes {network.outputs} bands", hint="Write its card by hand and name them.")
    return RGB


def _spoken(network: Architecture) -> str:
    return f"{network.kind}, {network.width} wide, {network.down} halvings, {network.norm} norm"
