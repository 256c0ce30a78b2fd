"""Turn what a job yields into a line of JSON and a list of arrays, and back: the language of worker and program.

Program to worker, one JSON object a line:
    {"id": 1, "kind": "render", "request": {...}}    {"cancel": 1}    {"free": slot}        end of input: stop and leave
Worker to program:
    {"hello": PROTOCOL, "pid": ...}    {"beat": n}
    {"id": 1, "progress": [done, total, text, seconds left or null], "value": tree, "block": ...}
    {"id": 1, "result": true, "value": tree, "block": ...}    {"id": 1, "cancelled": true}
    {"id": 1, "error": message, "hint": hint, "class": name in core.errors}
A tree is JSON in which an object with the key "@" stands for something that JSON has not; `block` tells the arrays.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cimgen_qt.core.errors import CimgenError, WorkerError

PROTOCOL = 1
LONGEST_LINE = 64 * 2**20
"""Bytes; a longer line is nonsense. Pixels travel beside the lines."""

_KINDS: list[type[CimgenError]] = [CimgenError, *CimgenError.__subclasses__()]
ERRORS = {kind.__name__: kind for kind in _KINDS}
"""The errors that keep their class on the way; a child of one of them arrives as that one."""


class Language:
    """The dataclasses and enumerations that may travel, beside None, numbers, text, bytes, Path, arrays and containers.

    A dataclass goes field by field and is made anew by its constructor: no code is needed for it beyond its place here.
    """

    def __init__(self, types: Iterable[type]) -> None:
        self._types = {kind.__name__: kind for kind in types}

    def encode(self, value: Any) -> tuple[Any, list[npt.NDArray[Any]]]:
        """A tree for JSON and the arrays it refers to. Raises WorkerError for what cannot travel."""
        arrays: list[npt.NDArray[Any]] = []
        return self._tree(value, arrays), arrays

    def decode(self, tree: Any, arrays: list[npt.NDArray[Any]]) -> Any:
        """The value that `encode` was given. Raises WorkerError if the tree makes no sense."""
        try:
            return self._value(tree, arrays)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise WorkerError("The worker answered nonsense", "Do both sides run the same version?") from error

    def _tree(self, value: Any, arrays: list[npt.NDArray[Any]]) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            arrays.append(value)
            return {"@": "array", "v": len(arrays) - 1}
        if isinstance(value, Mapping):
            pairs = [[self._tree(key, arrays), self._tree(entry, arrays)] for key, entry in value.items()]
            return {"@": "dict", "v": pairs}
        if type(value) is list:
            return [self._tree(entry, arrays) for entry in value]
        return {"@": _name(value), "v": self._content(value, arrays)}

    def _content(self, value: Any, arrays: list[npt.NDArray[Any]]) -> Any:
        if isinstance(value, bytes | bytearray):
            arrays.append(np.array(memoryview(value), np.uint8))
            return len(arrays) - 1
        if isinstance(value, Path):
            return str(value)
        if type(value) in (tuple, frozenset, set):
            return [self._tree(entry, arrays) for entry in value]
        kind: Any = self._types.get(type(value).__name__)
        if type(value) is not kind:
            raise WorkerError(f"A {type(value).__qualname__} cannot be sent", "It is missing in wire.travellers.")
        if isinstance(value, enum.Enum):
            return value.name
        fields = [field.name for field in dataclasses.fields(kind) if field.init]
        return {name: self._tree(getattr(value, name), arrays) for name in fields}

    def _value(self, tree: Any, arrays: list[npt.NDArray[Any]]) -> Any:
        if isinstance(tree, list):
            return [self._value(entry, arrays) for entry in tree]
        if not isinstance(tree, dict):
            return tree
        name, content = tree["@"], tree["v"]
        if name in ("array", "bytes"):
            return arrays[content] if name == "array" else arrays[content].tobytes()
        if name == "dict":
            return {self._value(key, arrays): self._value(entry, arrays) for key, entry in content}
        if name in _COLLECTIONS:
            return _COLLECTIONS[name](self._value(entry, arrays) for entry in content)
        return Path(content) if name == "path" else self._made(self._types[name], content, arrays)

    def _made(self, kind: Any, content: Any, arrays: list[npt.NDArray[Any]]) -> Any:
        if issubclass(kind, enum.Enum):
            return kind[content]
        return kind(**{field: self._value(entry, arrays) for field, entry in content.items()})


_COLLECTIONS: dict[str, Any] = {"tuple": tuple, "frozenset": frozenset, "set": set}


def _name(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return "bytes"
    return "path" if isinstance(value, Path) else type(value).__name__


def travellers() -> tuple[type, ...]:
    """What the program's own jobs yield and return, beside plain values; a new such dataclass is added here."""
    from cimgen_qt.core.grid import Window
    from cimgen_qt.core.render import Patch, Rendered

    return Window, Patch, Rendered


def line(message: Mapping[str, Any]) -> bytes:
    """One message as it goes through the pipe."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def message(raw: bytes) -> dict[str, Any]:
    """The message in one line. Raises WorkerError if it is none."""
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise WorkerError("The other process answered nonsense", _shortened(raw)) from error
    if not isinstance(found, dict):
        raise WorkerError("The other process answered nonsense", _shortened(raw))
    return found


def _shortened(raw: bytes) -> str:
    return f"It said: {raw[:80].decode(errors='replace').strip()!r}"


def error_message(error: CimgenError) -> dict[str, str]:
    """The fields of an error message."""
    known = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS)
    return {"error": error.message, "hint": error.hint, "class": known}


def error_of(fields: Mapping[str, Any]) -> CimgenError:
    """The error to raise for such a message."""
    kind = ERRORS.get(str(fields.get("class")), WorkerError)
    return kind(str(fields["error"]), str(fields.get("hint", "")))
