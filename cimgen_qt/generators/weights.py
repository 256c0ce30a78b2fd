"""Bring a model's weights into memory once they are proven: inside the card's folder, of its hash, and as it says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cimgen_qt.core.disk import explained
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.cards import ModelCard
from cimgen_qt.generators.onnx_graph import Graph, Port, read_graph

LARGEST_BYTES = 2 * 1024**3
"""What one ONNX file can hold; more lies in files beside it."""
_CHUNK = 1 << 20
_OUTSIDE = "A card may only name files in its own folder, as they came with it."


@dataclass(frozen=True)
class Weights:
    """`model` is what a session is to load: the bytes that were checked, or the path where more files belong to it."""

    model: bytes | Path
    graph: Graph
    sha256: str


def inside(folder: Path, name: str) -> Path:
    """Where `name` lies, proven to be in `folder` also after symbolic links are followed. Raises ModelError if not."""
    plain = PurePosixPath(name)
    if not name or plain.is_absolute() or ".." in plain.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ModelError(f"the file {name!r} does not lie in the model's folder", hint=_OUTSIDE)
    path = folder.joinpath(*plain.parts)
    try:
        real, home = path.resolve(), folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"the file {name!r} cannot be found: {error}", hint=_OUTSIDE) from error
    if real != home and home not in real.parents:
        raise ModelError(f"the file {name!r} is a link that leaves the model's folder", hint=_OUTSIDE)
    return path


def file_sha256(path: Path) -> str:
    """Of a whole file, read in pieces. Raises ModelError where it cannot be read."""
    digest = hashlib.sha256()
    with explained(path, "read", ModelError), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def require_file(card: ModelCard, name: str) -> Path:
    """The file `name` of a card. Raises ModelError where it is missing or lies elsewhere."""
    path = inside(card.folder, name)
    if not path.is_file():
        raise ModelError(
            f"{card.name}: the file {name} is missing in {card.folder}",
            hint="Copy it there, or add the model anew with all its files.",
        )
    return path


def require_hash(name: str, found: str, wanted: str) -> None:
    """Raise ModelError with both hashes unless they are the same."""
    if found != wanted:
        raise ModelError(
            f"{name} is not the file that its card describes: SHA-256 {found[:12]}... instead of {wanted[:12]}...",
            hint="It was damaged or exchanged: get model and card anew from where they came.",
        )


def load_weights(card: ModelCard) -> Weights:
    """Read, hash and look through the ONNX file of a card, and every file of weights beside it.

    Raises ModelError: file missing, outside the folder, of another hash, damaged, too large, with operators of its own,
    with data files that the card does not list.
    """
    path = require_file(card, card.file)
    with explained(path, "read", ModelError):
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelError(f"{card.file} is larger than an ONNX file can be", hint="Keep weights in files beside it.")
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if card.sha256:
        require_hash(card.file, found, card.sha256)
    graph = read_graph(data)
    graph.require_plain()
    _require_data(card, path, graph)
    return Weights(path if graph.external else data, graph, found)


def _require_data(card: ModelCard, path: Path, graph: Graph) -> None:
    listed = {inside(card.folder, item.file).resolve(): item for item in card.data}
    for name in sorted(graph.external):
        place = inside(path.parent, name)
        item = listed.get(place.resolve())
        if item is None:
            raise ModelError(
                f"{card.file} keeps weights in {name}, which its card does not list",
                hint="List it under [[data]] with its SHA-256, or save the model as a single file.",
            )
        require_hash(item.file, file_sha256(require_file(card, item.file)), item.sha256)


def require_agreement(card: ModelCard, graph: Graph) -> None:
    """Raise ModelError, naming every difference, unless the graph takes and gives what the card declares."""
    faults = graph_faults(card, graph)
    if faults:
        raise ModelError(
            f"{card.name}: the card does not describe the model: {'; '.join(faults)}",
            hint="Correct the card, or take the one that came with the model.",
        )


def graph_faults(card: ModelCard, graph: Graph) -> list[str]:
    """What the graph takes or gives otherwise than the card declares."""
    faults = []
    ports = {port.name: port for port in graph.fed}
    channels: dict[str, int] = {}
    for group in card.inputs:
        channels[group.graph] = channels.get(group.graph, 0) + group.channels
        if group.graph in ports and ports[group.graph].dtype != group.dtype:
            faults.append(f"input {group.graph} takes {ports[group.graph].dtype}, the card says {group.dtype}")
    for name in sorted(set(ports) - set(channels)):
        faults.append(f"the model's input {name} is not in the card")
    for name, count in channels.items():
        if name not in ports:
            faults.append(f"the model has no input {name} (it has {', '.join(sorted(ports)) or 'none'})")
        else:
            faults += _port_faults(card, ports[name], count, "input")
    outputs = {port.name: port for port in graph.outputs}
    if card.output is not None and card.output.graph not in outputs:
        faults.append(f"the model has no output {card.output.graph} (it has {', '.join(sorted(outputs))})")
    elif card.output is not None:
        port = outputs[card.output.graph]
        if port.dtype not in ("float32", "float16", "uint8"):
            faults.append(f"output {port.name} gives {port.dtype}, which is no picture")
        faults += _port_faults(card, port, len(card.output.bands), "output")
        faults += _size_faults(card, [*(ports[name] for name in channels if name in ports), port])
    return sorted(set(faults))


def _port_faults(card: ModelCard, port: Port, channels: int, what: str) -> list[str]:
    if port.dims is None:
        return []
    if len(port.dims) != 4:
        return [f"{what} {port.name} has {len(port.dims)} dimensions in place of 4"]
    faults = []
    at = card.layout.index("c")
    if port.dims[at] not in (None, channels):
        faults.append(f"{what} {port.name} has {port.dims[at]} channels, the card says {channels}")
    if port.dims[0] is not None and port.dims[0] < card.batch:
        faults.append(f"{what} {port.name} takes {port.dims[0]} at a time, the card says {card.batch}")
    return faults


def _size_faults(card: ModelCard, ports: Sequence[Port]) -> list[str]:
    """Sizes that do not go together: the card's tile, the inputs' and the output's."""
    sizes = {port.name: fixed_size(card, port) for port in ports}
    known = sorted({size for pair in sizes.values() for size in pair if size is not None})
    side = outer_side(card)
    if not known:
        return []
    if len({pair for pair in sizes.values() if pair != (None, None)}) > 1:
        return ["inputs and output differ in size: " + ", ".join(f"{n} {s[0]} x {s[1]}" for n, s in sizes.items())]
    if not side:
        return [f"the model takes {known[0]} pixels at a time, so the card has to give a tile"]
    if known[0] < side:
        return [f"the model takes {known[0]} pixels at a time, tile and halo of the card make {side}"]
    return []


def fixed_size(card: ModelCard, port: Port) -> tuple[int | None, int | None]:
    """Rows and columns that a port insists on."""
    if port.dims is None or len(port.dims) != 4:
        return None, None
    return port.dims[card.layout.index("h")], port.dims[card.layout.index("w")]


def outer_side(card: ModelCard) -> int:
    """Pixels on a side of what the network is fed: tile and both margins, which are multiples of the stride; or 0."""
    return card.tile + 2 * (-(-card.halo // card.stride) * card.stride) if card.tile else 0
