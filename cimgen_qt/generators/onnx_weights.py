"""The weights inside an ONNX file: read them by name, and give the same graph others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError

HALF = ".half"
"""Ends the name of a weight that is kept as float16 and cast when it is loaded."""


def weights_of(model: bytes) -> dict[str, NDArray[Any]]:
    """Every constant by the name it had in the network; what is kept as float16 comes as float32."""
    onnx = _onnx()
    found = {}
    for tensor in onnx.load_from_string(model).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        found[tensor.name.removesuffix(HALF)] = values.astype(np.float32) if tensor.name.endswith(HALF) else values
    return found


def with_weights(model: bytes, weights: Mapping[str, NDArray[Any]]) -> bytes:
    """The same graph with some weights replaced, in float32. Raises ModelError for a name or shape it does not have."""
    onnx = _onnx()
    parsed = onnx.load_from_string(model)
    places = {tensor.name.removesuffix(HALF): tensor for tensor in parsed.graph.initializer}
    strange = sorted(set(weights) - set(places))
    if strange:
        raise ModelError(f"the model has no weight {strange[0]}", hint="Was the adapter made for another model?")
    for name, values in weights.items():
        tensor = places[name]
        if tuple(tensor.dims) != values.shape:
            raise ModelError(f"the weight {name} has another shape", hint="Was the adapter made for another model?")
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values, np.float32), tensor.name))
    for node in parsed.graph.node:
        if node.op_type == "Cast" and node.output[0] in weights:
            node.op_type = "Identity"
            del node.attribute[:]
    made: bytes = parsed.SerializeToString()
    return made


def _onnx() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError as error:
        raise ModelError(
            "changing a model's weights needs the package onnx", hint="pip install 'cimgen[cpu]'"
        ) from error
    return onnx
