"""An adapter: how the weights of a model change for one scene, small enough to lie in the project.

A safetensors container in which a weight's change is given whole (`name`), or as two factors whose product it is
(`name:left`, `name:right`; the weight seen as a matrix of its output channels by all else).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cimgen_qt.core.errors import ModelError
from cimgen_qt.generators.onnx_weights import weights_of, with_weights

FORMAT = "cimgen-adapter-1"
LARGEST_BYTES = 2_000_000
_LEFT, _RIGHT = ":left", ":right"
_HEADER = 1_000_000
_HINT = "Drop the adapter, and adapt anew."


@dataclass(frozen=True)
class Adapter:
    """`sha256` is that of the model's file that it was made for; `facts` tell how."""

    sha256: str
    changes: Mapping[str, NDArray[np.float16]]
    facts: Mapping[str, Any]

    def pack(self) -> bytes:
        """The container: 8 bytes of length, a JSON header, numbers (https://github.com/huggingface/safetensors)."""
        header: dict[str, Any] = {
            "__metadata__": {
                "format": FORMAT,
                "sha256": self.sha256,
                "facts": json.dumps(dict(self.facts), sort_keys=True),
            }
        }
        place = 0
        for name, values in sorted(self.changes.items()):
            header[name] = {"dtype": "F16", "shape": list(values.shape), "data_offsets": [place, place + values.nbytes]}
            place += values.nbytes
        text = json.dumps(header, sort_keys=True).encode()
        text += b" " * (-len(text) % 8)
        numbers = b"".join(np.ascontiguousarray(v, "<f2").tobytes() for _, v in sorted(self.changes.items()))
        return struct.pack("<Q", len(text)) + text + numbers

    def change(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        """What is added to a weight; None where nothing is. Raises ModelError where it does not fit."""
        whole, left = self.changes.get(name), self.changes.get(name + _LEFT)
        try:
            if whole is not None:
                return whole.astype(np.float32).reshape(shape)
            if left is not None:
                right = self.changes[name + _RIGHT]
                product: NDArray[np.float32] = left.astype(np.float32) @ right.astype(np.float32)
                return product.reshape(shape)
        except (KeyError, ValueError) as error:
            raise ModelError(f"the adapter does not fit the weight {name}", hint=_HINT) from error
        return None

    def apply(self, model: bytes) -> bytes:
        """The adapted model. Raises ModelError where the adapter was made for another one."""
        if hashlib.sha256(model).hexdigest() != self.sha256:
            raise ModelError("the adapter was made for another model, or another version of it", hint=_HINT)
        weights = weights_of(model)
        strange = sorted({name.partition(":")[0] for name in self.changes} - set(weights))
        if strange:
            raise ModelError(f"the model has no weight {strange[0]}", hint=_HINT)
        changes = {name: self.change(name, values.shape) for name, values in weights.items()}
        return with_weights(model, {name: weights[name] + c for name, c in changes.items() if c is not None})


def unpack(data: bytes) -> Adapter:
    """Read a container. Raises ModelError for anything else, and for numbers that are none."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > _HEADER:
            raise ValueError("the header is too long")
        header = json.loads(data[8 : 8 + length])
        meta = header.pop("__metadata__")
        if meta["format"] != FORMAT:
            raise ValueError("another format")
        changes = {name: _numbers(data, 8 + length, entry) for name, entry in header.items()}
        return Adapter(str(meta["sha256"]), changes, json.loads(meta["facts"]))
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError("the adapter is damaged", hint=_HINT) from error


def _numbers(data: bytes, start: int, entry: Mapping[str, Any]) -> NDArray[np.float16]:
    begin, end = (int(n) for n in entry["data_offsets"])
    shape = tuple(int(n) for n in entry["shape"])
    if entry["dtype"] != "F16" or not 0 <= begin <= end <= len(data) - start or any(n < 0 for n in shape):
        raise ValueError("an entry is damaged")
    found = np.frombuffer(data[start + begin : start + end], "<f2").reshape(shape)
    if not np.isfinite(found).all():
        raise ValueError("an entry holds no numbers")
    return found


@dataclass(frozen=True)
class _Directions:
    """The left singular vectors of a matrix (rows, n), strongest first, and the matrix itself: all that ranks need."""

    left: NDArray[np.float64]
    matrix: NDArray[np.float64]

    @classmethod
    def of(cls, change: NDArray[np.float32]) -> _Directions:
        """From the small square matrix of inner products, once for all ranks: much less work than a whole SVD."""
        matrix = change.reshape(change.shape[0], -1).astype(np.float64)
        _, vectors = np.linalg.eigh(matrix @ matrix.T)
        return cls(vectors[:, ::-1], matrix)

    def factored(self, rank: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """The nearest product of two matrices of `rank` columns and rows (Eckart and Young 1936), alike in size."""
        left = self.left[:, :rank]
        right = left.T @ self.matrix
        root = np.sqrt(np.maximum(np.sqrt(np.square(right).sum(1)), 1e-12))
        return (left * root).astype(np.float16), (right / root[:, None]).astype(np.float16)


def compressed(
    changes: Mapping[str, NDArray[np.float32]], budget: int = LARGEST_BYTES
) -> dict[str, NDArray[np.float16]]:
    """Changes as what an adapter keeps, in `budget` bytes at most: whole where small, else of the highest rank."""
    directions: dict[str, _Directions] = {}
    for rank in (64, 48, 32, 24, 16, 12, 8, 4, 2, 1):
        made: dict[str, NDArray[np.float16]] = {}
        for name, change in changes.items():
            rows = change.shape[0]
            if rank * (rows + change.size // rows) >= change.size:
                made[name] = change.astype(np.float16)
                continue
            if name not in directions:
                directions[name] = _Directions.of(change)
            made[name + _LEFT], made[name + _RIGHT] = directions[name].factored(rank)
        if sum(values.nbytes for values in made.values()) + 200 * len(made) <= budget:
            return made
    raise ModelError("the change of this model is too large to keep", hint="Adapt a smaller model.")
