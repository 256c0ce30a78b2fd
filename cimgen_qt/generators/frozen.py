"""Make the statistics of normalising layers constants, so that overlapping tiles agree to the last bit.

Instance and group normalisation take mean and variance of the tile they are fed, so that every pixel depends on all of
it. Measured once on a window of the unedited scene and kept, they leave a network that looks no further than its halo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.generator import SceneView
from cimgen_qt.core.grid import Grid, Window
from cimgen_qt.core.palette import Palette
from cimgen_qt.core.raster import Labels, Mask, Pixels, RasterInfo
from cimgen_qt.core.tiling import Lattice, Tile
from cimgen_qt.generators.graph_parts import Parts

SIDE = 512
"""Longest side, in pixels of the model, of the window that is measured."""
PLACES = 5
"""Rows and columns of a net of windows from which the most typical one is chosen."""
_NORMS = ("InstanceNormalization", "GroupNormalization")
_POOLS = ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")
_SPATIAL = ({2, 3}, {-1, -2}, {2, -1}, {-2, 3})
Statistics = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class _Layer:
    """A node whose statistics are to be kept. `source` and `target` are the picture before and after it."""

    node: Any
    source: str
    target: str
    groups: int | None = None
    """Of group normalisation; None: every channel by itself."""

    def taps(self, name: str) -> list[str]:
        """What is measured of it."""
        what = ("pooled",) if self.node.op_type in _POOLS else ("size", "mean", "variance")
        return [f"{name}_{part}" for part in what]


class Freezer:
    """Changes the onnx.ModelProto that it is given; good for one scene."""

    def __init__(self, model: Any) -> None:
        self._model, self._parts = model, Parts(model)
        self._layers = tuple(_layers(self._parts))
        self._prefix = "frozen"
        while any(name.startswith(self._prefix) for name in self._parts.names):
            self._prefix += "_"

    def is_able(self, batch: int) -> bool:
        """False where nothing is to be frozen or some layer cannot be: one whose scale is computed, and a pooled value
        in a network that takes more than one tile at a time."""
        norms = [layer.node for layer in self._layers if layer.node.op_type in _NORMS]
        pooled = len(norms) < len(self._layers)
        known = all(_scales(self._parts, node) is not None for node in norms)
        return bool(self._layers) and known and not (pooled and batch > 1)

    @property
    def taps(self) -> list[str]:
        """Names of what `freeze` needs, outputs of the model that `measuring` gives."""
        return [name for number, layer in enumerate(self._layers) for name in layer.taps(f"{self._prefix}{number}")]

    def measuring(self) -> bytes:
        """The model with the taps beside its own outputs: to be run once."""
        import onnx

        graph = self._model.graph
        sizes = len(graph.node), len(graph.initializer), len(graph.output)
        for number, layer in enumerate(self._layers):
            nodes, constants = _taps(self._parts, layer, f"{self._prefix}{number}")
            graph.node.extend(nodes)
            graph.initializer.extend(constants)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.taps)
        data: bytes = self._model.SerializeToString()
        for added, size in zip((graph.node, graph.initializer, graph.output), sizes, strict=True):
            del added[size:]
        return data

    def fits(self, statistics: Statistics) -> bool:
        """False where a layer is not of pictures, or its weights are not of its channels."""
        names = [f"{self._prefix}{number}" for number, layer in enumerate(self._layers) if layer.node.op_type in _NORMS]
        sizes = [(statistics[f"{name}_size"], statistics[f"{name}_mean"]) for name in names]
        return all(size.shape == (4,) and mean.ndim == 3 and size[1] % mean.shape[1] == 0 for size, mean in sizes)

    def freeze(self, statistics: Statistics) -> None:
        """Put the statistics into the model as constants; all else stays."""
        graph = self._model.graph
        replaced: dict[str, list[Any]] = {}
        for number, layer in enumerate(self._layers):
            nodes, constants = _constants(self._parts, layer, f"{self._prefix}{number}", statistics)
            graph.initializer.extend(constants)
            replaced[layer.target] = nodes
        kept: list[Any] = []
        for node in graph.node:
            kept += next((replaced[name] for name in node.output if name in replaced), [node])
        kept = _needed(kept, [port.name for port in graph.output])
        del graph.node[:]
        graph.node.extend(kept)


def _layers(parts: Parts) -> Iterator[_Layer]:
    for node in parts.model.graph.node:
        if node.op_type == "GroupNormalization":
            yield _Layer(node, node.input[0], node.output[0], int(parts.attribute(node, "num_groups")))
        elif node.op_type == "InstanceNormalization":
            yield _folded_groups(parts, node) or _Layer(node, node.input[0], node.output[0])
        elif (node.op_type == "ReduceMean" and _over_places(parts, node)) or node.op_type in (
            "GlobalAveragePool",
            "GlobalMaxPool",
        ):
            yield _Layer(node, node.input[0], node.output[0])


def _folded_groups(parts: Parts, node: Any) -> _Layer | None:
    """Group normalisation as torch exports it: reshaped to (n, groups, -1), instance normalisation, reshaped back."""
    before = parts.producers.get(node.input[0])
    after = [other for other in parts.model.graph.node if node.output[0] in other.input]
    if before is None or before.op_type != "Reshape" or len(after) != 1 or after[0].op_type != "Reshape":
        return None
    shape = parts.constant(before.input[1])
    if shape is None or shape.shape != (3,) or shape[0] != 0 or shape[2] != -1:
        return None
    return _Layer(node, before.input[0], after[0].output[0], int(shape[1]))


def _over_places(parts: Parts, node: Any) -> bool:
    """A mean over rows and columns, kept as (n, channels, 1, 1)."""
    axes = parts.attribute(node, "axes")
    if axes is None and len(node.input) > 1:
        found = parts.constant(node.input[1])
        axes = None if found is None else found.tolist()
    return axes is not None and set(axes) in _SPATIAL and parts.attribute(node, "keepdims", 1) == 1


def _scales(parts: Parts, node: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    scale, shift = parts.constant(node.input[1]), parts.constant(node.input[2])
    return None if scale is None or shift is None else (scale, shift)


def _taps(parts: Parts, layer: _Layer, name: str) -> tuple[list[Any], list[Any]]:
    """Nodes that measure a layer, and constants that they need."""
    from onnx import TensorProto, helper, numpy_helper

    if layer.node.op_type in _POOLS:
        return [helper.make_node("Identity", [layer.target], [f"{name}_pooled"])], []
    shape = np.array([0, layer.groups, -1] if layer.groups else [0, 0, -1], np.int64)
    axes = numpy_helper.from_array(np.array([2], np.int64), f"{name}_axes")
    modern = parts.opset >= 18

    def mean(of: str, to: str) -> Any:
        if modern:
            return helper.make_node("ReduceMean", [of, axes.name], [to], keepdims=1)
        return helper.make_node("ReduceMean", [of], [to], axes=[2], keepdims=1)

    nodes = [
        helper.make_node("Shape", [layer.source], [f"{name}_size"]),
        helper.make_node("Cast", [layer.source], [f"{name}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [f"{name}_wide", f"{name}_shape"], [f"{name}_flat"]),
        mean(f"{name}_flat", f"{name}_mean"),
        helper.make_node("Sub", [f"{name}_flat", f"{name}_mean"], [f"{name}_off"]),
        helper.make_node("Mul", [f"{name}_off", f"{name}_off"], [f"{name}_square"]),
        mean(f"{name}_square", f"{name}_variance"),
    ]
    constants = [numpy_helper.from_array(shape, f"{name}_shape"), *([axes] if modern else [])]
    return nodes, constants


def _constants(parts: Parts, layer: _Layer, name: str, statistics: Statistics) -> tuple[list[Any], list[Any]]:
    """The nodes that take the place of a layer, and the constants they need."""
    from onnx import helper, numpy_helper

    if layer.node.op_type in _POOLS:
        kept = numpy_helper.from_array(statistics[f"{name}_pooled"], f"{name}_kept")
        return [helper.make_node("Identity", [kept.name], [layer.target])], [kept]
    channels = int(statistics[f"{name}_size"][1])
    mean, variance = (statistics[f"{name}_{what}"][0] for what in ("mean", "variance"))
    weights = _scales(parts, layer.node)
    if weights is None:
        raise ValueError(f"the scale of {layer.node.name} is computed: `is_able` was not asked")
    epsilon = parts.attribute(layer.node, "epsilon", 1e-5)
    scale, shift, middle, spread = (
        np.repeat(values.astype(np.float64).ravel(), channels // values.size) for values in (*weights, mean, variance)
    )
    factor = scale / np.sqrt(spread + epsilon)
    both = {"factor": factor, "offset": shift - middle * factor}
    stored = [
        numpy_helper.from_array(values.reshape(1, -1, 1, 1).astype(weights[0].dtype), f"{name}_{what}")
        for what, values in both.items()
    ]
    nodes = [
        helper.make_node("Mul", [layer.source, f"{name}_factor"], [f"{name}_scaled"]),
        helper.make_node("Add", [f"{name}_scaled", f"{name}_offset"], [layer.target]),
    ]
    return nodes, stored


def _needed(nodes: list[Any], outputs: list[str]) -> list[Any]:
    """Without the nodes that lead to no output any more."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if any(name in wanted for name in node.output):
            kept.append(node)
            wanted.update(node.input)
            wanted.update(name for item in node.attribute for inner in item.g.node for name in inner.input)
    return kept[::-1]


@dataclass(frozen=True)
class Unedited:
    """A scene as if nothing had been painted and nothing were to be made."""

    scene: SceneView

    @property
    def grid(self) -> Grid:
        return self.scene.grid

    @property
    def info(self) -> RasterInfo:
        return self.scene.info

    @property
    def palette(self) -> Palette:
        return self.scene.palette

    def read_photo(self, window: Window) -> Pixels:
        return self.scene.read_photo(window)

    def read_valid(self, window: Window) -> Mask:
        return self.scene.read_valid(window)

    def read_map(self, window: Window) -> Labels:
        return self.scene.read_map(window)

    def read_labels(self, window: Window) -> Labels:
        return self.scene.read_map(window)

    def read_scope(self, window: Window) -> Mask:
        return np.zeros(window.shape, np.bool_)


def typical(scene: SceneView, lattice: Lattice, side: int) -> Tile:
    """The window, of a net of them, that is most valid and whose classes stand as all of them together do.

    `side` is in pixels of the model. Which one it is depends on the photo's and map's originals alone.
    """
    whole = scene.grid.window
    size = [min(n, max(1, round(side / scale))) for n, scale in zip(whole.shape, lattice.scale, strict=True)]
    rows, cols = (
        sorted({int(at) for at in np.linspace(0, n - part, PLACES)}) for n, part in zip(whole.shape, size, strict=True)
    )
    windows = [Window(row, col, size[0], size[1]) for row in rows for col in cols]
    shares, valid = [], []
    for window in windows:
        seen = scene.read_valid(window)
        counts = np.bincount(scene.read_map(window)[seen], minlength=256)
        shares.append(counts / max(1, counts.sum()))
        valid.append(float(seen.mean()))
    middle = np.average(shares, axis=0, weights=np.maximum(valid, 1e-6))
    unlike = [float(np.abs(share - middle).sum()) + 2 * (1 - part) for share, part in zip(shares, valid, strict=True)]
    return lattice.plain(windows[int(np.argmin(np.round(unlike, 9)))])
