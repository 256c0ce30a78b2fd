"""Which models there are, what is to be said of each, and how one is added to or removed from the user's own."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cimgen_qt import paths
from cimgen_qt.core.disk import explained
from cimgen_qt.core.durable import check_space, write_bytes, write_text
from cimgen_qt.core.errors import ModelError
from cimgen_qt.core.jobs import run_inline
from cimgen_qt.generators.card_file import card_text
from cimgen_qt.generators.cards import CARD_NAME, DataFile, ModelCard
from cimgen_qt.generators.onnx_graph import read_graph
from cimgen_qt.generators.packages import read_card
from cimgen_qt.generators.weights import (
    file_sha256,
    graph_faults,
    inside,
    load_weights,
    require_agreement,
    require_file,
    require_hash,
)

DEFAULT_GENERATOR, DEFAULT_SEGMENTER = "cimgen-context", "cimgen-segmenter"
"""Models that come with the program."""
BUILT_IN: Mapping[str, str] = {
    "exemplar": "Rebuilds ground from the photo's own pixels of the same class; learned nothing, needs no model.",
    "flat": "Fills each class with its median tone in the photo: shows what will change, looks like no photo.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list of models. `source` is what `open_generator` takes; `problem` tells why it would refuse."""

    name: str
    source: str
    origin: str
    """"built in", "shipped" or "yours"."""
    card: ModelCard | None = None
    problem: str = ""


def list_models() -> tuple[Entry, ...]:
    """Built-in generators, models that came with the program, and the user's own, each by name.

    A card that cannot be read is listed with its problem; weights are not opened (`verify` does).
    """
    entries = [Entry(name, name, "built in") for name in sorted(BUILT_IN)]
    for origin, folder in (("shipped", paths.shipped_models()), ("yours", paths.user_models())):
        entries += sorted(_entries(folder, origin), key=lambda e: e.name.casefold())
    return tuple(entries)


def _entries(folder: Path, origin: str) -> Iterator[Entry]:
    """One model a folder."""
    if not folder.is_dir():
        return
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        try:
            card = read_card(place)
        except ModelError as error:
            yield Entry(place.name, str(place), origin, None, error.message)
            continue
        yield Entry(card.name, str(card.path), origin, card, card.unfit)


def find_model(name: str) -> Entry:
    """The listed model of that name, without case, or of that folder. Raises ModelError that lists what there is."""
    entries = list_models()
    wanted = name.strip().casefold()
    found = [e for e in entries if wanted in (e.name.casefold(), Path(e.source).parent.name.casefold())]
    if len(found) > 1:
        raise ModelError(f"there are {len(found)} models {name!r}", hint="Give the path of the card instead.")
    if not found:
        raise ModelError(f"there is no model {name!r}", hint="There are: " + ", ".join(e.name for e in entries) + ".")
    return found[0]


def describe(model: Entry | ModelCard) -> dict[str, Any]:
    """All that is known, in plain values."""
    if isinstance(model, ModelCard):
        model = Entry(model.name, str(model.path), "file", model, model.unfit)
    about: dict[str, Any] = {"name": model.name, "source": model.source, "origin": model.origin}
    about |= {"usable": not model.problem, "problem": model.problem}
    if model.card is None:
        return {**about, "notes": BUILT_IN.get(model.name, "")}
    return {**about, **_card_values(model.card)}


def _card_values(card: ModelCard) -> dict[str, Any]:
    names = ("version", "kind", "file", "sha256", "licence", "credits", "notes", "trained", "unknown", "layout")
    lengths = ("metres_per_pixel", "tile", "stride", "halo", "largest", "padding", "batch", "dtype")
    values: dict[str, Any] = {name: getattr(card, name) for name in (*names, *lengths)}
    values["url"] = card.source
    values["metres_range"] = None if card.metres_range is None else list(card.metres_range)
    values["levels"] = None if card.levels is None else list(card.levels)
    values["classes"] = [{"index": c.index, "name": c.name, "aliases": list(c.aliases)} for c in card.classes]
    values["inputs"] = [
        {"group": i.group, "graph": i.graph, "channels": i.channels, "dtype": i.dtype, "bands": list(i.bands)}
        for i in card.inputs
    ]
    values["bands"] = [] if card.output is None else list(card.output.bands)
    values["bytes"] = sum(_size(card, name) for name in (card.file, *(d.file for d in card.data)))
    values["server"] = None if card.remote is None else card.remote.url
    values["extra"] = dict(card.extra)
    return values


def _size(card: ModelCard, name: str) -> int:
    try:
        return inside(card.folder, name).stat().st_size
    except (ModelError, OSError):
        return 0


def verify(card: ModelCard) -> list[str]:
    """Every problem of a card and its files; empty if it can be used. Reads all weights, runs nothing.

    Of a model on a server: whether the server is there and the model is the card's; no pixel is sent.
    """
    problems = [card.unfit] if card.unfit and card.kind != "image-to-map" else []
    if card.path.suffix.lower() == ".dlpk":
        return problems
    if card.remote is not None:
        return [*problems, *_remote_problems(card)]
    if not card.file:
        return [*problems, "it names no file of weights"]
    try:
        if not card.file.lower().endswith(".onnx"):
            path = require_file(card, card.file)
            if card.sha256:
                require_hash(card.file, file_sha256(path), card.sha256)
            return problems
        weights = load_weights(card)
    except ModelError as error:
        return [*problems, error.message]
    if card.kind == "map-to-image":
        problems += graph_faults(card, weights.graph)
    if not card.sha256:
        problems.append("the card gives no SHA-256, so damage would not be noticed")
    return problems


def _remote_problems(card: ModelCard) -> list[str]:
    """Asks the server for itself and the model; sends no pixel."""
    from cimgen_qt.generators.remote_backend import greet, server_of
    from cimgen_qt.generators.remote_server import Server
    from cimgen_qt.generators.remote_trust import require_allowed

    at = server_of(card)
    try:
        require_allowed(at.url, card.name)
        server = Server(at.url, at.timeout)
    except ModelError as error:
        return [f"{error.message}. {error.hint}"]
    try:
        run_inline(greet(card, server))
    except ModelError as error:
        return [error.message]
    finally:
        server.close()
    return []


def add(path: Path) -> Entry:
    """Copy a model and its card into the user's folder, checked before and after. Gives the new entry.

    What only tells of itself (ONNX metadata, Esri's .emd) gets a card file written from that. Raises ModelError where
    the model is refused or one of its name is there already, ExportError where the disk does not take it.
    """
    card = read_card(path)
    if card.kind == "map-to-image" and card.unfit:
        raise ModelError(f"{card.name} cannot be added: {card.unfit}", hint=f"Write a {CARD_NAME} beside its weights.")
    card = _with_hashes(card)
    target = paths.user_models() / folder_name(card.name)
    if target.exists():
        raise ModelError(f"there is already a model in {target}", hint=f"Remove {target.name} first.")
    with explained(target, "made"):
        target.mkdir(parents=True)
    try:
        _copy_all(card, target)
        added = read_card(target)
        problems = [] if added.remote else [problem for problem in verify(added) if problem != added.unfit]
        if problems:
            raise ModelError(f"the copy of {card.name} is not right: {'; '.join(problems)}", hint="Try again.")
    except BaseException:
        _clear(target)
        raise
    return Entry(added.name, str(added.path), "yours", added, added.unfit)


def _with_hashes(card: ModelCard) -> ModelCard:
    """Proven, and with a hash for every file. Raises ModelError as `open_generator` would."""
    if card.path.suffix.lower() == ".dlpk" or card.remote is not None:
        return card
    if not card.file.lower().endswith(".onnx"):
        found = file_sha256(require_file(card, card.file))
        if card.sha256:
            require_hash(card.file, found, card.sha256)
        return replace(card, sha256=found)
    if card.path.suffix.lower() != ".toml":
        names = sorted(read_graph(require_file(card, card.file).read_bytes()).external)
        card = replace(card, data=tuple(DataFile(n, file_sha256(require_file(card, n))) for n in names))
    weights = load_weights(card)
    if card.kind == "map-to-image":
        require_agreement(card, weights.graph)
    return replace(card, sha256=weights.sha256)


def _copy_all(card: ModelCard, target: Path) -> None:
    names = [name for name in (card.file, *(d.file for d in card.data)) if name]
    if card.path.suffix.lower() == ".dlpk":
        names = [card.path.name]
    sources = [require_file(card, name) for name in names]
    check_space(target / CARD_NAME, sum(source.stat().st_size for source in sources))
    for name, source in zip(names, sources, strict=True):
        _copy(source, inside(target, name))
    if card.path.suffix.lower() != ".dlpk":
        write_text(target / CARD_NAME, card_text(card))


def _copy(source: Path, target: Path) -> None:
    with explained(target, "written"):
        target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:  # mapped, so that weights of any size take no memory
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if source.stat().st_size else b""
    write_bytes(target, memoryview(data))


def remove(name: str) -> Path:
    """Delete one of the user's own models, all files of its folder. Gives the folder that is gone.

    Raises ModelError where it is not the user's, or the folder holds what no model brought.
    """
    entry = find_model(name)
    if entry.origin != "yours":
        raise ModelError(f"{entry.name} is {entry.origin} and cannot be removed", hint="Only models you added can be.")
    source = Path(entry.source)
    folder = source if source.is_dir() else source.parent
    if folder.parent.resolve() != paths.user_models().resolve() or folder.is_symlink():
        raise ModelError(f"{folder} is no model of yours", hint="Delete it by hand if you are sure.")
    with explained(folder, "removed", ModelError):
        _clear(folder)
    return folder


def _clear(folder: Path) -> None:
    """Remove a folder and what is in it; links are removed, not followed."""
    for path in sorted(folder.rglob("*"), key=lambda p: len(p.parts), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()


def folder_name(name: str) -> str:
    """A name that every file system takes. Raises ModelError where nothing is left of it."""
    plain = re.sub(r"[^\w.-]+", "-", name.strip().casefold()).strip("-.")[:64]
    if not plain:
        raise ModelError(f"{name!r} is no name for a model", hint="Give it letters or digits.")
    return plain


def model_card(source: str) -> ModelCard:
    """The card that a path or a listed name stands for. Raises ModelError where there is none."""
    if not source.strip():
        raise ModelError("no model was named", hint="`cimgen models` lists what there is.")
    path = Path(source).expanduser()
    if path.exists():
        return read_card(path)
    if path.suffix or len(path.parts) > 1:
        raise ModelError(f"there is no model {source}", hint="Check the path; `cimgen models` lists what there is.")
    entry = find_model(source)
    if entry.card is None:
        raise ModelError(entry.problem or f"{entry.name} has no card", hint="`cimgen models` lists what there is.")
    return entry.card
