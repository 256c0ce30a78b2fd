"""Parts of a parsed ONNX graph that several readers need: who makes a value, and which values are constant."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 64
"""Elements of a constant that may be repeated to make another: pads, axes and scales, never weights."""
_FAULTS = (ValueError, TypeError, IndexError, KeyError, AttributeError, RuntimeError)
"""What a node raises whose attributes or inputs make no sense, and a chain that is too long (RecursionError)."""
_FOLDED = frozenset({"Concat", "Reshape", "Slice", "Transpose", "Cast", "ConstantOfShape", "Unsqueeze", "Squeeze"})


@dataclass
class Parts:
    """Of the main graph of `model`, an onnx.ModelProto. Functions and subgraphs are not looked into."""

    model: Any
    producers: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, NDArray[Any] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.model.graph
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self.stored = {tensor.name: tensor for tensor in graph.initializer}

    @property
    def opset(self) -> int:
        return max((entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")), default=1)

    @property
    def names(self) -> set[str]:
        """Of every value there is, so that new ones can have names of their own."""
        graph = self.model.graph
        return {*self.producers, *self.stored, *(port.name for port in (*graph.input, *graph.output))}

    def attribute(self, node: Any, name: str, default: Any = None) -> Any:
        """Its value as Python has it."""
        import onnx

        found = [item for item in node.attribute if item.name == name]
        return onnx.helper.get_attribute_value(found[0]) if found else default

    @cached_property
    def _constants(self) -> set[str]:
        found = {"", *self.stored}
        for node in self.model.graph.node:  # makers come before users in a valid file
            plain = node.domain in ("", "ai.onnx") and not any(a.HasField("g") for a in node.attribute)
            if plain and all(name in found for name in node.input):
                found.update(node.output)
        return found

    def is_constant(self, name: str) -> bool:
        """True where the value does not depend on what is fed."""
        return name in self._constants

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value itself where it is a weight, or small and worked out from constants; else None."""
        if name not in self._known:
            self._known[name] = None  # a graph with a circle ends here
            with contextlib.suppress(*_FAULTS):
                self._known[name] = self._worked_out(name)
        return self._known[name]

    def _worked_out(self, name: str) -> NDArray[Any] | None:
        import onnx.reference
        from onnx import numpy_helper

        if name in self.stored:
            return np.asarray(numpy_helper.to_array(self.stored[name]))
        node = self.producers.get(name)
        if node is None or node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type == "Constant":
            tensor = self.attribute(node, "value")
            return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))
        given = {source: self.constant(source) for source in node.input if source}
        values = {source: value for source, value in given.items() if value is not None}
        if len(values) != len(given):
            return None
        if node.op_type in ("Identity", "Cast"):
            first = values[node.input[0]]
            if node.op_type == "Identity":
                return first
            return first.astype(onnx.helper.tensor_dtype_to_np_dtype(int(self.attribute(node, "to"))))
        if node.op_type not in _FOLDED:
            return None
        if node.op_type == "Concat" and any(value.size > SMALL for value in values.values()):
            return None
        if node.op_type == "ConstantOfShape" and not 0 <= int(np.prod(values[node.input[0]])) <= SMALL:
            return None
        evaluator = onnx.reference.ReferenceEvaluator(node, opsets={"": self.opset})
        answers: Any = evaluator.run(None, values)
        return np.asarray(answers[0])
