"""Small ONNX networks and cards for them, made on the spot: real files, whose answers can be worked out by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from cimgen_qt.generators.card_file import card_text, load_card
from cimgen_qt.generators.cards import CardClass, CardInput, CardOutput, ModelCard

COLOURS = {"building": (200, 40, 30), "road": (90, 90, 95), "water": (20, 80, 160)}
OPSET = [helper.make_opsetid("", 17)]


def save(model: onnx.ModelProto, path: Path, meta: dict[str, str] | None = None) -> Path:
    for key, value in (meta or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    model.ir_version = 9
    onnx.save(model, str(path))
    return path


def graph(
    nodes: Sequence[Any],
    inputs: Sequence[tuple[str, int, Sequence[Any]]],
    outputs: Sequence[tuple[str, int, Sequence[Any]]],
    weights: dict[str, NDArray[Any]],
    opset: Sequence[Any] = OPSET,
    functions: Sequence[Any] = (),
) -> onnx.ModelProto:
    ports = [[helper.make_tensor_value_info(*port) for port in side] for side in (inputs, outputs)]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(list(nodes), "net", *ports, stored)
    return helper.make_model(made, opset_imports=list(opset), functions=list(functions))


def colour_net(path: Path, dims: Sequence[Any] = ("n", 3, "h", "w"), out: Sequence[Any] = ("n", 3, "h", "w")) -> Path:
    """One-hot classes to their colours, from 0 to 1, by a 1 x 1 convolution."""
    weights = np.array(list(COLOURS.values()), np.float32).T[:, :, None, None] / 255.0
    node = helper.make_node("Conv", ["labels", "colours"], ["picture"])
    return save(
        graph([node], [("labels", 1, dims)], [("picture", 1, out)], {"colours": weights.astype(np.float32)}), path
    )


def context_net(path: Path, seed: int = 3, halo: int = 5, dims: Sequence[Any] = ("n", 7, "h", "w")) -> Path:
    """Classes, mask and masked photo through two convolutions that reach `halo` = 3 + 2 pixels, to -1..1 by tanh."""
    first, second = 2 * (halo - halo // 2) + 1, 2 * (halo // 2) + 1
    random = np.random.default_rng(seed)
    weights = {
        "a": (random.normal(size=(8, 7, first, first)) / first).astype(np.float32),
        "b": (random.normal(size=(3, 8, second, second)) / second / 3).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["hidden"], pads=[first // 2] * 4),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Conv", ["active", "b"], ["raw"], pads=[second // 2] * 4),
        helper.make_node("Tanh", ["raw"], ["y"]),
    ]
    return save(graph(nodes, [("x", 1, dims)], [("y", 1, ("n", 3, "h", "w"))], weights), path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def colour_card(folder: Path, **changes: Any) -> ModelCard:
    """A card of `colour_net`, read back from its file, which lies with the net in `folder`."""
    weights = folder / "net.onnx"
    if not weights.exists():
        colour_net(weights)
    return written(
        folder,
        {
            "name": "colours",
            "file": "net.onnx",
            "sha256": sha256(weights),
            "inputs": (CardInput("labels-onehot", "labels", 3),),
            "output": CardOutput("picture", ("red", "green", "blue"), (0.0, 1.0)),
            "tile": 64,
            "trained": False,
            **changes,
        },
    )


def context_card(folder: Path, **changes: Any) -> ModelCard:
    """A card of `context_net`."""
    weights = folder / "net.onnx"
    if not weights.exists():
        context_net(weights)
    rgb = ("red", "green", "blue")
    return written(
        folder,
        {
            "name": "context",
            "file": "net.onnx",
            "sha256": sha256(weights),
            "inputs": (
                CardInput("labels-onehot", "x", 3),
                CardInput("masked-photo", "x", 3, range=(-1.0, 1.0), bands=rgb),
                CardInput("mask", "x", 1),
            ),
            "output": CardOutput("y", rgb, (-1.0, 1.0)),
            "tile": 48,
            "halo": 5,
            **changes,
        },
    )


def written(folder: Path, values: dict[str, Any]) -> ModelCard:
    """Make a whole card of `values`, write it, and read it back."""
    whole: dict[str, Any] = {
        "version": "1",
        "kind": "map-to-image",
        "path": folder / "card.toml",
        "licence": "CC0-1.0",
        "classes": tuple(CardClass(i, name) for i, name in enumerate(COLOURS)),
        **values,
    }
    card = ModelCard(**whole)
    card.path.write_text(card_text(card), "utf-8")
    return load_card(card.path)
