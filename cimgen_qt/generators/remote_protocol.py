"""Requests and answers of the Open Inference Protocol v2 as bytes, with its binary tensor extension or as plain JSON.

https://github.com/kserve/open-inference-protocol and, for binary tensors and the header that tells where the JSON ends,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.onnx_graph import Graph, Port

BINARY = "binary_tensor_data"
"""Name of the extension in what a server says of itself."""
LENGTH = "Inference-Header-Content-Length"
DATATYPES = {
    "FP32": "float32", "FP16": "float16", "FP64": "float64", "UINT8": "uint8", "INT32": "int32", "INT64": "int64",
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
LARGEST_HEAD = 1 << 20
"""Bytes of JSON that an answer may have beside its numbers."""
_DIGITS = 32
"""Bytes that one number may take in JSON."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The body of a request; `head` is how many bytes of it are JSON, None where all are."""

    body: bytes
    head: int | None


def inference(feeds: Mapping[str, NDArray[Any]], output: str, binary: bool) -> Sent:
    """Ask for `output` from `feeds`, arrays by the names of the model's inputs."""
    inputs: list[dict[str, Any]] = []
    tail = []
    for name, values in feeds.items():
        plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        one: dict[str, Any] = {"name": name, "shape": list(plain.shape), "datatype": _NAMES[values.dtype.name]}
        if binary:
            tail.append(plain.tobytes())
            one["parameters"] = {"binary_data_size": plain.nbytes}
        else:
            one["data"] = plain.ravel().tolist()
        inputs.append(one)
    asked: dict[str, Any] = {"name": output}
    if binary:
        asked["parameters"] = {"binary_data": True}
    head = json.dumps({"inputs": inputs, "outputs": [asked]}).encode()
    return Sent(b"".join([head, *tail]), len(head) if binary else None)


def largest_answer(shape: tuple[int, ...], binary: bool) -> int:
    """Bytes that an answer of this shape may have at most."""
    return LARGEST_HEAD + math.prod(shape) * (8 if binary else _DIGITS)


def understood(body: bytes, head: str | None, output: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The tensor `output` of an answer; `head` is the value of its `LENGTH` header, None where it has none.

    Raises ModelError unless the answer holds exactly one such tensor, of this shape and of finite numbers.
    """
    length = len(body) if head is None else _length(head, len(body))
    found = parsed(body[:length])
    listed = found.get("outputs")
    if not isinstance(listed, list):
        raise _nonsense("it holds no outputs")
    named = [one for one in listed if isinstance(one, dict) and one.get("name") == output]
    if len(named) != 1:
        raise _nonsense(f"it holds no output {output}")
    values = _values(named[0], listed, body[length:])
    if values.shape != shape:
        raise _nonsense(f"{output} has the shape {values.shape} in place of {shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ModelError(
            f"the server's answer {output} holds values that are no numbers (NaN or infinite)",
            hint="Check the model on the server.",
        )
    return values


def _values(one: Mapping[str, Any], listed: list[Any], tail: bytes) -> NDArray[Any]:
    dtype, shape = DATATYPES.get(str(one.get("datatype"))), one.get("shape")
    if dtype is None:
        raise _nonsense(f"the type {one.get('datatype')!r} is no picture's")
    if not isinstance(shape, list) or not all(type(n) is int and 0 < n < 1 << 31 for n in shape):
        raise _nonsense("a shape is no list of whole numbers")
    count = math.prod(shape)
    if "data" in one:
        return _from_json(one["data"], count, dtype).reshape(shape)
    start = sum(_size(other) for other in listed[: listed.index(one)])
    size = _size(one)
    if size != count * np.dtype(dtype).itemsize or start + size > len(tail):
        raise _nonsense(f"{size} bytes were announced for {count} values of {dtype}, {len(tail) - start} came")
    return np.frombuffer(tail, np.dtype(dtype).newbyteorder("<"), count, start).reshape(shape).astype(dtype)


def _from_json(data: object, count: int, dtype: str) -> NDArray[Any]:
    """Some servers nest the numbers as the shape says, others write one list."""
    try:
        values = np.asarray(data, np.float64).ravel()
    except (ValueError, TypeError) as error:
        raise _nonsense("its data are no numbers") from error
    if values.size != count:
        raise _nonsense(f"it holds {values.size} values in place of {count}")
    return values.astype(dtype)


def _size(output: object) -> int:
    parameters = output.get("parameters") if isinstance(output, dict) else None
    size = parameters.get("binary_data_size", 0) if isinstance(parameters, dict) else 0
    if type(size) is not int or size < 0:
        raise _nonsense("a size of binary data is no whole number")
    return size


def _length(head: str, whole: int) -> int:
    if not head.isascii() or not head.isdigit() or not 0 < int(head) <= whole:
        raise _nonsense(f"its JSON is said to have {head[:20]!r} of {whole} bytes")
    return int(head)


def ports(facts: Mapping[str, Any]) -> Graph:
    """What a server says of a model's inputs and outputs. Raises ModelError where it does not."""
    return Graph(inputs=_ports(facts.get("inputs")), outputs=_ports(facts.get("outputs")))


def _ports(listed: object) -> list[Port]:
    found = []
    for one in listed if isinstance(listed, list) else [None]:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not isinstance(one.get("shape"), list):
            raise _nonsense("it does not say what the model takes and gives")
        dims = tuple(n if type(n) is int and n > 0 else None for n in one["shape"])
        dtype = str(one.get("datatype"))
        found.append(Port(one["name"], DATATYPES.get(dtype, dtype), dims))
    return found


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises ModelError for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _nonsense("it is no JSON") from error
    if not isinstance(found, dict):
        raise _nonsense("it is no JSON object")
    return found


def _nonsense(why: str) -> ModelError:
    return ModelError(
        f"the server's answer cannot be used: {why}",
        hint="Does the address in the card lead to a server of the Open Inference Protocol v2, and to the right model?",
    )
