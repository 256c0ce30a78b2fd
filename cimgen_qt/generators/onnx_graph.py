"""What an ONNX file says of itself, and whether it may be run: read without running anything of it.

The layout is that of the public `onnx.proto` (ONNX IR version 10). ONNX Runtime resolves external data and loads custom
libraries on its own, so what a file asks for is looked at here before a session sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.protobuf import DEEPEST, Budget, damaged, fields, number, part, text

ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
"""TensorProto.DataType, those that an input or output of a picture network may have."""
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime brings itself; all others would need a library."""
REFUSED_OPERATORS = frozenset({"EPContext", "PyOp", "PythonOp", "PythonOpGrad"})
"""They load a file or run Python."""
WHOLE_TILE_OPERATORS = frozenset(
    {"InstanceNormalization", "GroupNormalization", "GlobalAveragePool", "GlobalMaxPool", "MeanVarianceNormalization"}
)
"""With one of them every pixel depends on the whole tile, whatever the halo is."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph. A free dimension is None; `dims` is None where the file does not say."""

    name: str
    dtype: str
    dims: tuple[int | None, ...] | None


@dataclass(slots=True)
class Graph:
    """The facts of one file. `external` are the files beside it that hold weights, as the file spells them."""

    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    initializers: set[str] = field(default_factory=set)
    external: set[str] = field(default_factory=set)
    operators: set[tuple[str, str]] = field(default_factory=set)
    """(domain, operator) of every node, also in subgraphs and functions."""
    functions: set[tuple[str, str]] = field(default_factory=set)
    metadata: dict[str, str] = field(default_factory=dict)
    producer: str = ""

    @property
    def fed(self) -> list[Port]:
        """Inputs that must be given: old files list weights among the inputs as well."""
        return [port for port in self.inputs if port.name not in self.initializers]

    @property
    def whole_tile_operators(self) -> list[str]:
        """Operators that make a pixel depend on its whole tile."""
        return sorted({operator for _, operator in self.operators} & WHOLE_TILE_OPERATORS)

    def require_plain(self) -> None:
        """Raise ModelError where running the file would need, or load, anything beyond ONNX Runtime itself."""
        foreign = {(d, o) for d, o in self.operators if d not in KNOWN_DOMAINS and (d, o) not in self.functions}
        if foreign:
            named = ", ".join(sorted(f"{domain}::{operator}" for domain, operator in foreign)[:5])
            raise ModelError(
                f"the model uses operators of its own: {named}",
                hint="They need a library that could do anything, so it is refused. Export with standard operators.",
            )
        refused = sorted({operator for _, operator in self.operators} & REFUSED_OPERATORS)
        if refused:
            raise ModelError(
                f"the model uses {', '.join(refused)}, which load files or run code",
                hint="Export the network as plain ONNX.",
            )


def read_graph(data: bytes | memoryview) -> Graph:
    """Look through a whole model file. Raises ModelError where it is damaged, too deep, or no ONNX file."""
    view = memoryview(data).cast("B")
    if len(view) >= 8 and bytes(view[4:8]) == b"ORTM":
        raise ModelError("the model is in ONNX Runtime's own format", hint="Give the .onnx file it was made from.")
    graph = Graph()
    walk = _Walk(graph, Budget())
    walk.each(view, 0, _MODEL)
    if not graph.operators or not graph.outputs:
        raise damaged("it holds no network")
    return graph


@dataclass(slots=True)
class _Walk:
    """One pass over a file; messages that say nothing of interest are skipped whole."""

    graph: Graph
    budget: Budget

    def each(self, data: memoryview, depth: int, rules: _Rules) -> None:
        if depth > DEEPEST:
            raise damaged("its graphs are nested too deeply")
        for key, value in fields(data, self.budget):
            rule = rules.get(key)
            if rule is not None:
                rule(self, value, depth + 1)

    def node(self, value: int | memoryview, depth: int) -> None:
        domain = operator = ""
        for key, inner in fields(part(value), self.budget):
            if key == 4:
                operator = text(inner)
            elif key == 7:
                domain = text(inner)
            elif key == 5:
                self.each(part(inner), depth + 1, _ATTRIBUTE)
        self.graph.operators.add((domain, operator))

    def tensor(self, value: int | memoryview, depth: int) -> None:
        self.each(part(value), depth, _TENSOR)

    def initializer(self, value: int | memoryview, depth: int) -> None:
        self.tensor(value, depth)
        names = [text(inner) for key, inner in fields(part(value), self.budget) if key == 8]
        self.graph.initializers.update(names)

    def place(self, value: int | memoryview, _depth: int) -> None:
        """An entry of a tensor's external_data."""
        key, location = self._pair(value)
        if key == "location":
            self.graph.external.add(location)

    def metadata(self, value: int | memoryview, _depth: int) -> None:
        key, content = self._pair(value)
        self.graph.metadata[key] = content

    def function(self, value: int | memoryview, depth: int) -> None:
        self.each(part(value), depth, _FUNCTION)
        named = {key: text(inner) for key, inner in fields(part(value), self.budget) if key in (1, 10)}
        self.graph.functions.add((named.get(10, ""), named.get(1, "")))

    def ports(self, value: int | memoryview, depth: int, top: list[Port]) -> None:
        if depth == _DEPTH_OF_MAIN_GRAPH:
            top.append(self._port(part(value)))

    def _pair(self, value: int | memoryview) -> tuple[str, str]:
        found = {key: text(inner) for key, inner in fields(part(value), self.budget) if key in (1, 2)}
        return found.get(1, ""), found.get(2, "")

    def _port(self, data: memoryview) -> Port:
        name, element = "", 0
        dims: list[int | None] | None = None
        for key, value in fields(data, self.budget):
            if key == 1:
                name = text(value)
            elif key == 2:
                for tensor in self._inside(part(value), 1):
                    for inner, content in fields(tensor, self.budget):
                        if inner == 1:
                            element = number(content)
                        elif inner == 2:
                            dims = [self._dim(d) for d in self._inside(part(content), 1)]
        return Port(name, ELEMENTS.get(element, f"type {element}"), None if dims is None else tuple(dims))

    def _inside(self, data: memoryview, wanted: int) -> list[memoryview]:
        return [part(value) for key, value in fields(data, self.budget) if key == wanted]

    def _dim(self, data: memoryview) -> int | None:
        sizes = [number(value) for key, value in fields(data, self.budget) if key == 1]
        return sizes[-1] if sizes and 0 < sizes[-1] < 1 << 31 else None

    def producer(self, value: int | memoryview, _depth: int) -> None:
        self.graph.producer = text(value)


_DEPTH_OF_MAIN_GRAPH = 2
_Rule = Callable[[_Walk, "int | memoryview", int], None]
_Rules = dict[int, _Rule]


def _enter(rules: Callable[[], _Rules]) -> _Rule:
    return lambda walk, value, depth: walk.each(part(value), depth, rules())


_TENSOR: _Rules = {13: _Walk.place}
_SPARSE: _Rules = {1: _Walk.tensor, 2: _Walk.tensor}
_ATTRIBUTE: _Rules = {
    5: _Walk.tensor,
    6: _enter(lambda: _GRAPH),
    10: _Walk.tensor,
    11: _enter(lambda: _GRAPH),
    22: _enter(lambda: _SPARSE),
    23: _enter(lambda: _SPARSE),
}
_GRAPH: _Rules = {
    1: _Walk.node,
    5: _Walk.initializer,
    11: lambda walk, value, depth: walk.ports(value, depth, walk.graph.inputs),
    12: lambda walk, value, depth: walk.ports(value, depth, walk.graph.outputs),
    15: _enter(lambda: _SPARSE),
}
_FUNCTION: _Rules = {7: _Walk.node, 11: _enter(lambda: _ATTRIBUTE)}
_TRAINING: _Rules = {1: _enter(lambda: _GRAPH), 2: _enter(lambda: _GRAPH)}
_MODEL: _Rules = {
    2: _Walk.producer,
    7: _enter(lambda: _GRAPH),
    14: _Walk.metadata,
    20: _enter(lambda: _TRAINING),
    25: _Walk.function,
}
