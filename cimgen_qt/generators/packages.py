"""Read a model card from whatever holds one: a card file, a folder, an ONNX file, or an Esri package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cimgen_qt.core.disk import explained
from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.card_file import load_card
from cimgen_qt.generators.cards import CARD_NAME, ModelCard
from cimgen_qt.generators.deepness import onnx_card
from cimgen_qt.generators.esri import dlpk_card, emd_card
from cimgen_qt.generators.onnx_graph import read_graph
from cimgen_qt.generators.weights import LARGEST_BYTES

SUFFIXES = (".toml", ".onnx", ".emd", ".dlpk")
"""What may hold a card, the first that is found in a folder counts."""


def read_card(path: Path) -> ModelCard:
    """The card at `path`. Raises ModelError where there is none, or it is wrong."""
    if path.is_dir():
        return read_card(_in_folder(path))
    if not path.is_file():
        raise ModelError(f"there is no model {path}", hint="`cimgen models` lists what there is.")
    match path.suffix.lower():
        case ".toml":
            return load_card(path)
        case ".onnx":
            beside = _card_beside(path)
            return load_card(beside) if beside is not None else bare_onnx_card(path)
        case ".pth" | ".safetensors":
            beside = _card_beside(path)
            if beside is None:
                raise ModelError(
                    f"{path.name} has no card: weights alone do not say which classes its channels are",
                    hint="`cimgen models add FILE --classes a,b,c --licence L` writes one.",
                )
            return load_card(beside)
        case ".emd":
            return emd_card(path)
        case ".dlpk":
            return dlpk_card(path)
        case _:
            raise ModelError(f"{path.name} is no model", hint=f"Give a folder or a file ({', '.join(SUFFIXES)}).")


def bare_onnx_card(path: Path) -> ModelCard:
    """What the file says of itself, whatever lies beside it."""
    with explained(path, "read", ModelError):
        if path.stat().st_size > LARGEST_BYTES:
            raise ModelError(f"{path.name} is larger than an ONNX file can be", hint="Is it the right file?")
        data = path.read_bytes()
    return onnx_card(path, read_graph(data), hashlib.sha256(data).hexdigest())


def _card_beside(path: Path) -> Path | None:
    """The card of a file of weights: of its own name, or the folder's if that speaks of it."""
    own = path.with_suffix(".toml")
    if own.is_file():
        return own
    shared = path.with_name(CARD_NAME)
    return shared if shared.is_file() and load_card(shared).file == path.name else None


def _in_folder(folder: Path) -> Path:
    with explained(folder, "read", ModelError):
        files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if (folder / CARD_NAME) in files:
        return folder / CARD_NAME
    for suffix in SUFFIXES:
        found = [p for p in files if p.suffix.lower() == suffix]
        if len(found) > 1:
            raise ModelError(f"{folder.name} holds {_listed(found)}", hint="Name the one that is meant.")
        if found:
            return found[0]
    raise ModelError(f"there is no model in {folder}", hint=f"It needs a card ({CARD_NAME}), or a model file.")


def _listed(paths: Sequence[Path]) -> str:
    return f"{len(paths)} models: {', '.join(p.name for p in paths[:5])}"
